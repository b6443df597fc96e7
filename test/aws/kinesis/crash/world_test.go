package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/internal/envelope"
	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/admin"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/test/aws/kinesis/numbers"
	"github.com/stateway/stateway/test/harness"
)

const (
	keys       = 40
	stream     = "numbers"
	roundEvery = 150 * time.Millisecond // kinesis-local takes some 1,500 records a second
)

// world is one application with its streams, its functions and its producer. It belongs to the test's goroutine.
type world struct {
	t         *testing.T
	client    harness.KinesisClient
	producer  *numbers.Producer
	seed      uint64
	node      harness.NodeConfig
	functions harness.Spec
	serving   *harness.Process
	kills     int
}

// newWorld is an application whose egress aggregates records, or does not.
func newWorld(t *testing.T, aggregation bool) *world {
	s, dir, port := harness.KinesisLocal(t), t.TempDir(), harness.MustPort(t)
	w := &world{
		t: t, client: s.Client(), seed: harness.KillSeed(),
		functions: harness.Spec{
			Name: "functions", Path: harness.MustBuild(t, "./test/aws/kinesis/crash/functions"), Env: []string{"PORT=" + strconv.Itoa(port)},
		},
	}
	w.producer = &numbers.Producer{Client: w.client, Stream: stream, Keys: keys}
	module := numbers.Endpoint(harness.Loopback(port)) + numbers.ThereAndBack(s.Endpoint, aggregation)
	w.node = harness.NodeConfig{
		Modules: []string{harness.MustWriteFile(t, dir, "module.yaml", module)}, Data: filepath.Join(dir, "data"), Bucket: filepath.Join(dir, "bucket"),
		Application: "numbers", Shards: 16, Workers: 2, Every: 200 * time.Millisecond, Lease: 500 * time.Millisecond,
	}
	for _, name := range []string{stream, numbers.MiddleStream} {
		w.must(w.client.CreateStream(t.Context(), name, 2))
	}
	w.serve()
	t.Logf("seed %d (STATEWAY_CRASH_SEED=%d draws the same pauses)", w.seed, w.seed)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// serve starts the function server.
func (w *world) serve() {
	w.t.Helper()
	w.serving = harness.MustStart(w.t, w.functions)
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	w.must(w.serving.WaitOutput(ctx, "listening"))
}

// run kills until the time is over, calling atKill while the node is dead, and reshards meanwhile. Then it compares.
func (w *world) run(lasts time.Duration, atKill func()) {
	w.t.Helper()
	n := harness.MustStartNode(w.t, w.node)
	n.MustReady(w.t)
	ctx := w.t.Context()
	end := w.producer.Start(ctx, roundEvery)
	in, middle := numbers.Shards{Client: w.client, Stream: stream}, numbers.Shards{Client: w.client, Stream: numbers.MiddleStream}
	reshards := []func() error{
		func() error { return in.Update(ctx, 4) }, func() error { return middle.Split(ctx, 1) },
		func() error { return in.Merge(ctx, 1) }, func() error { return middle.Update(ctx, 2) },
	}
	start, resharded := time.Now(), 0
	for k := harness.NewKiller(w.seed, lasts); k.Pause(1300 * time.Millisecond); {
		if !n.Alive() {
			w.t.Fatalf("the node ended by itself: %v", n.Err())
		}
		if due := int(time.Since(start) * time.Duration(len(reshards)+1) / lasts); resharded < min(due, len(reshards)) {
			w.must(reshards[resharded]())
			resharded++
		}
		n.Kill()
		atKill()
		w.kills++
		if w.kills%3 == 0 {
			w.serving.Kill()
			w.serve()
		}
		n = harness.MustStartNode(w.t, w.node)
		if k.Rand.IntN(4) > 0 { // now and then it is killed again before it is ready
			n.MustReady(w.t)
		}
	}
	for ; resharded < len(reshards); resharded++ {
		w.must(reshards[resharded]())
	}
	w.must(end())
	n.MustReady(w.t)
	w.compare(n)
}

// compare checks what the functions have counted, what the second stream holds, and the functions again after a restart in order.
func (w *world) compare(n *harness.Node) {
	w.t.Helper()
	began := time.Now()
	w.expectCounted(n)
	w.must(n.Stop(20 * time.Second))
	records, repeats := w.expectWritten()
	n = harness.MustStartNode(w.t, w.node)
	n.MustReady(w.t)
	w.expectCounted(n)
	if w.kills == 0 || w.producer.Sent() < 10 {
		w.t.Fatalf("%d kills and %d records of each key prove nothing", w.kills, w.producer.Sent())
	}
	w.t.Logf("%d records, each counted twice; %d kills; %d records written, %d of them repeats; compared in %s",
		keys*w.producer.Sent(), w.kills, records, repeats, time.Since(began).Round(time.Second/10))
}

// expectCounted waits until both functions have counted every record.
func (w *world) expectCounted(n *harness.Node) {
	w.t.Helper()
	client, err := admin.NewClient(n.Admin)
	w.must(err)
	for _, function := range []string{string(numbers.First), string(numbers.Second)} {
		var lacks []string
		harness.Eventually(w.t, 2*time.Minute, func() bool {
			lacks = nil
			for i := range keys {
				known := w.tally(client, core.Address{Type: core.FunctionType(function), ID: numbers.Key(i)})
				if err := known.Check(w.producer.Sent()); err != nil {
					w.t.Fatalf("%s %s: %v\n%s", function, numbers.Key(i), err, n.Output())
				}
				if known.Last < w.producer.Sent() {
					lacks = append(lacks, fmt.Sprintf("%s %d", numbers.Key(i), known.Last))
				}
			}
			return len(lacks) == 0
		}, func() string {
			return fmt.Sprintf("%s has counted %d of each key: %s\n%s", function, w.producer.Sent(), strings.Join(lacks, ", "), n.Output())
		})
	}
}

// tally is what an Address has counted, as of the last checkpoint.
func (w *world) tally(c *admin.Client, a core.Address) (known numbers.Tally) {
	w.t.Helper()
	got, err := c.States(w.t.Context(), a)
	w.must(err)
	for _, s := range got.States {
		if s.Name == numbers.StateName && s.Size > 0 {
			w.must(json.Unmarshal(append(s.Value, s.Base64...), &known)) // one of them is empty
		}
	}
	return known
}

// expectWritten reads the second stream: without repeats of an id, it holds each record, in order for each key.
func (w *world) expectWritten() (records, repeats int) {
	w.t.Helper()
	all, err := w.client.Records(w.t.Context(), numbers.MiddleStream)
	w.must(err)
	seen, last := map[string][]byte{}, map[string]int{}
	for _, r := range all {
		parts, aggregated, err := kpl.Decode(r.Data, nil)
		w.must(err)
		if !aggregated {
			parts = []kpl.Record{{Data: r.Data}}
		}
		for _, p := range parts {
			e, err := envelope.DecodeStateway(p.Data)
			w.must(err)
			records++
			if before, twice := seen[e.ID]; twice {
				if !bytes.Equal(before, e.Payload) {
					w.t.Fatalf("id %s names two records", e.ID)
				}
				repeats++
				continue
			}
			seen[e.ID] = e.Payload
			var got numbers.Record
			w.must(json.Unmarshal(e.Payload, &got))
			if got.Number != last[got.Key]+1 {
				w.t.Fatalf("stream %s: %s/%d after %d", numbers.MiddleStream, got.Key, got.Number, last[got.Key])
			}
			last[got.Key] = got.Number
		}
	}
	for i := range keys {
		if last[numbers.Key(i)] != w.producer.Sent() {
			w.t.Fatalf("stream %s holds %d of %d records of %s", numbers.MiddleStream, last[numbers.Key(i)], w.producer.Sent(), numbers.Key(i))
		}
	}
	return records, repeats
}
