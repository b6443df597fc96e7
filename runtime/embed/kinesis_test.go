package embed_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kinesistest"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/embed"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

// there and back: what comes from stream orders goes to stream middle after commit, and from there, once, to sum.
const thereAndBack = `
kind: io.statefun.kinesis.v1/ingress
spec:
  id: test/in
  awsRegion: {type: custom-endpoint, id: eu-central-1, endpoint: "%[1]s"}
  awsCredentials: {type: basic, accessKeyId: AK, secretAccessKey: secret}
  startupPosition: {type: earliest}
  mode: %[2]s
  deadLetter: {egress: test/letters}
  streams:
    - {stream: orders, valueType: test/Order, targets: [test/pass], key: {pointer: /customer}}
  clientConfigProperties:
    - flink.shard.getrecords.intervalmillis: 1
---
kind: io.statefun.kinesis.v1/egress
spec:
  id: test/middle
  awsRegion: {type: custom-endpoint, id: eu-central-1, endpoint: "%[1]s"}
  awsCredentials: {type: basic, accessKeyId: AK, secretAccessKey: secret}
  delivery: after-commit
  envelope: stateway
  aggregation: true
  stream: middle
---
kind: io.statefun.kinesis.v1/ingress
spec:
  id: test/back
  awsRegion: {type: custom-endpoint, id: eu-central-1, endpoint: "%[1]s"}
  awsCredentials: {type: basic, accessKeyId: AK, secretAccessKey: secret}
  startupPosition: earliest
  streams:
    - {stream: "arn:aws:kinesis:eu-central-1:123456789012:stream/middle", valueType: test/Name, targets: [test/sum], format: stateway, dedupe: stateway}
  clientConfigProperties:
    - flink.shard.getrecords.intervalmillis: 1
---
kind: io.statefun.kinesis.v1/egress
spec:
  id: test/letters
  awsRegion: {type: custom-endpoint, id: eu-central-1, endpoint: "%[1]s"}
  awsCredentials: {type: basic, accessKeyId: AK, secretAccessKey: secret}
  stream: letters
  partitionKey: record
`

var seen = stateway.Value[int64]("seen")

// passers hands orders on under their customer's name, and counts what comes back.
func passers() *stateway.App {
	app := stateway.New()
	app.Function("test/pass", func(ctx *stateway.Context, _ stateway.Message) error {
		ctx.Egress("test/middle", stateway.KinesisRecord("middle", ctx.Self().ID, stateway.Text(ctx.Self().ID)))
		return nil
	})
	app.Function("test/sum", func(ctx *stateway.Context, _ stateway.Message) error {
		n, err := seen.Get(ctx)
		seen.Set(ctx, n+1)
		return err
	}, seen)
	return app
}

// A whole node reads Kinesis, writes it after commit and reads that back, with the SDK's client over HTTP. A stream that is not there is
// waited for, with a sentence; a record that cannot be read goes to the dead letters and stops nothing.
func TestKinesisThereAndBack(t *testing.T) {
	for _, mode := range []string{"polling", "fanOut"} {
		t.Run(mode, func(t *testing.T) { thereAndBackBy(t, mode) })
	}
}

func thereAndBackBy(t *testing.T, mode string) {
	const customers, each = 5, 20
	service := kinesistest.New(kinesistest.Options{})
	server := httptest.NewServer(service.Handler())
	defer server.Close()
	service.Create("middle", 2)
	service.Create("letters", 1)
	cfg := embed.Config{
		Functions: passers(), Dir: t.TempDir(), Shards: 4, CheckpointEvery: 5 * time.Millisecond, Log: quiet(),
		Modules: []module.Source{{Name: "kinesis.yaml", Data: fmt.Appendf(nil, thereAndBack, server.URL, mode)}},
	}
	created := false
	count := func(n *node.Node) (sum int64) {
		for c := range customers {
			sum += storedBy(t, n, "test/sum", fmt.Sprintf("c%d", c))
		}
		return sum
	}
	run(t, cfg, func(n *node.Node) bool {
		if !created && strings.Contains(n.Waiting(), "there is no stream orders in region eu-central-1") {
			service.Create("orders", 2)
			for i := range customers * each {
				service.Put("orders", fmt.Sprint(i), fmt.Appendf(nil, `{"customer":"c%d"}`, i%customers))
			}
			service.Put("orders", "bad", []byte("no JSON"))
			created = true
		}
		return created && count(n) == customers*each && len(records(t, service, "letters")) == 1 && settled(t, n)
	})
	if text := string(records(t, service, "letters")[0]); !strings.Contains(text, `"stream":"orders"`) || !strings.Contains(text, `"reason":`) {
		t.Errorf("the dead letter is %s", text)
	}
	if n := service.Calls("RegisterStreamConsumer"); (n > 0) != (mode == "fanOut") {
		t.Errorf("%d consumers registered with mode %s", n, mode)
	}
}

// settled reports whether every partition is read, and is told in words.
func settled(t *testing.T, n *node.Node) bool {
	t.Helper()
	all, err := n.Ingresses()
	if err != nil {
		return false
	}
	for _, in := range all {
		for _, p := range in.Partitions {
			if p.State != "reading" || !p.Reported || p.Position == "" || p.Lag < 0 {
				return false
			}
		}
	}
	return len(all) == 2 && len(all[0].Partitions) == 2
}

// records are the data of all records of a stream.
func records(t *testing.T, s *kinesistest.Service, stream string) (all [][]byte) {
	t.Helper()
	for _, shard := range s.Open(stream) {
		at, err := s.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String(stream), ShardId: aws.String(shard), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Records {
			all = append(all, r.Data)
		}
	}
	return all
}
