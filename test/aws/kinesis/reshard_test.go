package kinesis

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/test/harness"
)

// reshaping changes the shards of one stream.
type reshaping struct {
	client harness.KinesisClient
	stream string
}

// open lists the open shards by their range of hashes.
func (r reshaping) open(ctx context.Context) ([]types.Shard, error) {
	open, err := r.client.Open(ctx, r.stream)
	slices.SortFunc(open, func(a, b types.Shard) int { return first(a).Cmp(first(b)) })
	return open, err
}

func first(s types.Shard) *big.Int { return number(s.HashKeyRange.StartingHashKey) }

func number(text *string) *big.Int {
	n, ok := new(big.Int).SetString(aws.ToString(text), 10)
	if !ok {
		panic("not a hash: " + aws.ToString(text))
	}
	return n
}

// split halves the i-th open shard.
func (r reshaping) split(ctx context.Context, i int) error {
	open, err := r.open(ctx)
	if err != nil {
		return err
	}
	s := open[i]
	middle := new(big.Int).Add(first(s), number(s.HashKeyRange.EndingHashKey))
	middle.Rsh(middle, 1)
	_, err = r.client.SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName: aws.String(r.stream), ShardToSplit: s.ShardId, NewStartingHashKey: aws.String(middle.String()),
	})
	return cmp.Or(err, r.client.WaitActive(ctx, r.stream))
}

// merge makes one of the i-th open shard and its neighbour.
func (r reshaping) merge(ctx context.Context, i int) error {
	open, err := r.open(ctx)
	if err != nil {
		return err
	}
	_, err = r.client.MergeShards(ctx, &kinesis.MergeShardsInput{
		StreamName: aws.String(r.stream), ShardToMerge: open[i].ShardId, AdjacentShardToMerge: open[i+1].ShardId,
	})
	return cmp.Or(err, r.client.WaitActive(ctx, r.stream))
}

// update changes the number of shards.
func (r reshaping) update(ctx context.Context, shards int32) error {
	_, err := r.client.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
		StreamName: aws.String(r.stream), TargetShardCount: aws.Int32(shards), ScalingType: types.ScalingTypeUniformScaling,
	})
	return cmp.Or(err, r.client.WaitActive(ctx, r.stream))
}

// step is a change of the shards, or a restart of the node.
type step struct {
	name string
	do   func(context.Context, reshaping) error // nil is a restart
}

var restart = step{name: "restart"}

func split(i int) step {
	return step{fmt.Sprintf("split %d", i), func(ctx context.Context, r reshaping) error { return r.split(ctx, i) }}
}

func merge(i int) step {
	return step{fmt.Sprintf("merge %d", i), func(ctx context.Context, r reshaping) error { return r.merge(ctx, i) }}
}

func update(n int32) step {
	return step{fmt.Sprintf("update to %d", n), func(ctx context.Context, r reshaping) error { return r.update(ctx, n) }}
}

// TestResharding changes shards while records are put and read: of every key they arrive in order, once.
func TestResharding(t *testing.T) {
	ofLocal := []step{split(0), merge(1), update(4), restart, update(2), split(1), restart, split(2), merge(0), update(5)}
	ofLite := []step{split(0), merge(1), restart, split(1), split(0), merge(2), restart, split(2)}
	for _, c := range []struct {
		name  string
		start func(testing.TB) *harness.KinesisServer
		keys  string // of the ingress
		steps []step
		hasty bool // all steps one after the other, before their records are read
	}{
		{"kinesis-local, polling", harness.KinesisLocal, "mode: polling", ofLocal, false},
		{"kinesis-local, polling, a chain at once", harness.KinesisLocal, "mode: polling", ofLocal, true},
		{"kinesis-local, fan-out", harness.KinesisLocal, "mode: fanOut", []step{split(0), restart, merge(1), update(4)}, false},
		{"kinesis-local, fan-out, a chain at once", harness.KinesisLocal, "mode: fanOut", []step{update(4), merge(1), restart, split(0), update(2)}, true},
		{"kinesalite", harness.Kinesalite, "mode: polling", ofLite, false},
		{"kinesalite, a chain at once", harness.Kinesalite, "mode: auto", ofLite, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := c.start(t)
			client := server.Client()
			must(t, client.CreateStream(t.Context(), "numbers", 2))
			s := newStage(t, reading(harness.FanOut(t, server.Endpoint), c.keys+`
startupPosition: {type: earliest}
streams:
  - {stream: numbers, valueType: test/Numbered, targets: [test/count]}`))
			s.run()
			p := newProducer(client, "numbers", 24)
			for _, step := range c.steps {
				end := p.background(t, 5*time.Millisecond)
				if step.do == nil {
					s.stop()
					s.run()
				} else if err := step.do(t.Context(), reshaping{client, "numbers"}); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
				end()
				if !c.hasty {
					s.expect("test/count", p.sent)
				}
			}
			p.rounds(t, 3)
			s.expect("test/count", p.sent)
			t.Logf("%d records of each of %d keys", p.sent["k0"], p.keys)
		})
	}
}
