package kinesis

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/test/harness"
)

// TestServers looks whether the servers are what the other tests take them for; what fails here is not the runtime's fault.
func TestServers(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *harness.KinesisServer{"kinesis-local": harness.KinesisLocal, "kinesalite": harness.Kinesalite} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t).Client()
			must(t, c.CreateStream(t.Context(), "s", 2))
			for i := range 20 {
				must(t, c.PutRecord(t.Context(), "s", fmt.Sprint(i), fmt.Append(nil, i)))
			}
			open, err := c.Open(t.Context(), "s")
			must(t, err)
			_, err = c.MergeShards(t.Context(), &kinesis.MergeShardsInput{
				StreamName: aws.String("s"), ShardToMerge: open[0].ShardId, AdjacentShardToMerge: open[1].ShardId,
			})
			must(t, err)
			must(t, c.WaitActive(t.Context(), "s"))
			must(t, c.PutRecord(t.Context(), "s", "last", []byte("last")))
			records, err := c.Records(t.Context(), "s")
			must(t, err)
			open, err = c.Open(t.Context(), "s")
			must(t, err)
			if len(records) != 21 || string(records[20].Data) != "last" || len(open) != 1 {
				t.Errorf("%d records and %d open shards, want 21 and 1", len(records), len(open))
			}
		})
	}
}

func TestFanOutThroughTheProxy(t *testing.T) {
	t.Parallel()
	server := harness.KinesisLocal(t)
	c := server.Client()
	must(t, c.CreateStream(t.Context(), "s", 1))
	d, err := c.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	must(t, err)
	through := server.Config()
	through.BaseEndpoint = aws.String(harness.FanOut(t, server.Endpoint))
	fan := harness.KinesisClient{Client: kinesis.NewFromConfig(through)}
	who, err := fan.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: d.StreamDescriptionSummary.StreamARN, ConsumerName: aws.String("c")})
	must(t, err)
	harness.Eventually(t, waitFor, func() bool {
		got, err := fan.DescribeStreamConsumer(t.Context(), &kinesis.DescribeStreamConsumerInput{ConsumerARN: who.Consumer.ConsumerARN})
		return err == nil && got.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive
	}, func() string { return "the consumer is active" })
	must(t, c.PutRecord(t.Context(), "s", "k", []byte("x")))
	open, err := c.Open(t.Context(), "s")
	must(t, err)
	out, err := fan.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
		ConsumerARN: who.Consumer.ConsumerARN, ShardId: open[0].ShardId,
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	})
	must(t, err)
	defer out.GetStream().Close()
	for event := range out.GetStream().Events() {
		if e, ok := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok && len(e.Value.Records) > 0 {
			if string(e.Value.Records[0].Data) != "x" {
				t.Errorf("got %q", e.Value.Records[0].Data)
			}
			return
		}
	}
	t.Errorf("the subscription ended: %v", out.GetStream().Err())
}
