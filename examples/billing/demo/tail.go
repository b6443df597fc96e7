package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/test/harness"
)

// tail reads a stream from its beginning, as records come. It keeps no place anywhere: it lives as long as the demo.
type tail struct {
	client    harness.KinesisClient
	stream    string
	iterators []*string // one for each shard; nil until the first poll
}

// poll returns what came since the last one, in order for each shard.
func (t *tail) poll(ctx context.Context) ([]types.Record, error) {
	if t.iterators == nil {
		if err := t.begin(ctx); err != nil {
			return nil, err
		}
	}
	var all []types.Record
	for i, iterator := range t.iterators {
		out, err := t.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator})
		if err != nil {
			return nil, err
		}
		all = append(all, out.Records...)
		t.iterators[i] = out.NextShardIterator
	}
	return all, nil
}

func (t *tail) begin(ctx context.Context) error {
	shards, err := t.client.Shards(ctx, t.stream)
	if err != nil {
		return err
	}
	for _, s := range shards {
		out, err := t.client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
			StreamName: aws.String(t.stream), ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			return err
		}
		t.iterators = append(t.iterators, out.ShardIterator)
	}
	return nil
}

// rejects waits for the record that is no change, and returns all that came to the stream of such.
func (w *world) rejects(ctx context.Context) (int, error) {
	t, seen := &tail{client: w.kinesis.Client(), stream: rejectsStream}, map[string]bool{}
	for len(seen) == 0 {
		records, err := t.poll(ctx)
		if err != nil {
			return 0, err
		}
		for _, r := range records {
			e, err := readEvent(r)
			if err != nil {
				return 0, err
			}
			seen[e.ID] = true
		}
		if err := pause(ctx, poll); err != nil {
			return 0, fmt.Errorf("wait for what is no change: %w", err)
		}
	}
	return len(seen), nil
}
