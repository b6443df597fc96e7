package numbers

import (
	"cmp"
	"context"
	"math/big"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/test/harness"
)

// Shards changes the shards of a stream; each method waits until the stream is active again.
type Shards struct {
	Client harness.KinesisClient
	Stream string
}

// open lists the open shards by their range of hashes.
func (s Shards) open(ctx context.Context) ([]types.Shard, error) {
	open, err := s.Client.Open(ctx, s.Stream)
	slices.SortFunc(open, func(a, b types.Shard) int { return first(a).Cmp(first(b)) })
	return open, err
}

func first(s types.Shard) *big.Int { return hash(s.HashKeyRange.StartingHashKey) }

func hash(text *string) *big.Int {
	n, ok := new(big.Int).SetString(aws.ToString(text), 10)
	if !ok {
		panic("not a hash: " + aws.ToString(text))
	}
	return n
}

// Split halves the i-th open shard.
func (s Shards) Split(ctx context.Context, i int) error {
	open, err := s.open(ctx)
	if err != nil {
		return err
	}
	middle := new(big.Int).Add(first(open[i]), hash(open[i].HashKeyRange.EndingHashKey))
	_, err = s.Client.SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName: aws.String(s.Stream), ShardToSplit: open[i].ShardId, NewStartingHashKey: aws.String(middle.Rsh(middle, 1).String()),
	})
	return cmp.Or(err, s.Client.WaitActive(ctx, s.Stream))
}

// Merge makes one of the i-th open shard and its neighbour.
func (s Shards) Merge(ctx context.Context, i int) error {
	open, err := s.open(ctx)
	if err != nil {
		return err
	}
	_, err = s.Client.MergeShards(ctx, &kinesis.MergeShardsInput{
		StreamName: aws.String(s.Stream), ShardToMerge: open[i].ShardId, AdjacentShardToMerge: open[i+1].ShardId,
	})
	return cmp.Or(err, s.Client.WaitActive(ctx, s.Stream))
}

// Update changes the number of shards, to no more than twice and no less than half of what it is.
func (s Shards) Update(ctx context.Context, shards int32) error {
	_, err := s.Client.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
		StreamName: aws.String(s.Stream), TargetShardCount: aws.Int32(shards), ScalingType: types.ScalingTypeUniformScaling,
	})
	return cmp.Or(err, s.Client.WaitActive(ctx, s.Stream))
}
