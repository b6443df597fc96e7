package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// KinesisClient is the SDK's client, with what tests and examples do to streams. Safe for concurrent use.
type KinesisClient struct{ *kinesis.Client }

// Client is a client of the server.
func (s *KinesisServer) Client() KinesisClient {
	return KinesisClient{kinesis.NewFromConfig(s.Config())}
}

// CreateStream creates a stream and waits until it is active.
func (c KinesisClient) CreateStream(ctx context.Context, stream string, shards int32) error {
	_, err := c.Client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(shards)})
	if err != nil {
		return fmt.Errorf("create stream %s: %w", stream, err)
	}
	return c.WaitActive(ctx, stream)
}

// WaitActive waits, at most 30 s, until a stream is active.
func (c KinesisClient) WaitActive(ctx context.Context, stream string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		out, err := c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(stream)})
		if err != nil {
			return fmt.Errorf("wait for stream %s: %w", stream, err)
		}
		if out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for stream %s, which is %s: %w", stream, out.StreamDescriptionSummary.StreamStatus, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// PutRecord puts one record.
func (c KinesisClient) PutRecord(ctx context.Context, stream, key string, data []byte) error {
	_, err := c.Client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(stream), PartitionKey: aws.String(key), Data: data})
	if err != nil {
		return fmt.Errorf("put a record to stream %s: %w", stream, err)
	}
	return nil
}

// Shards lists all shards of a stream, closed ones too.
func (c KinesisClient) Shards(ctx context.Context, stream string) ([]types.Shard, error) {
	var all []types.Shard
	in := &kinesis.ListShardsInput{StreamName: aws.String(stream)}
	for {
		out, err := c.ListShards(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list the shards of stream %s: %w", stream, err)
		}
		all = append(all, out.Shards...)
		if aws.ToString(out.NextToken) == "" {
			return all, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

// Open lists the shards that take records.
func (c KinesisClient) Open(ctx context.Context, stream string) ([]types.Shard, error) {
	all, err := c.Shards(ctx, stream)
	var open []types.Shard
	for _, s := range all {
		if s.SequenceNumberRange.EndingSequenceNumber == nil {
			open = append(open, s)
		}
	}
	return open, err
}

// Records reads all records that a stream holds, shard by shard in the order of ListShards, which has parents before children. Within a
// partition key they are in the order of Kinesis. Aggregates are left as they are.
func (c KinesisClient) Records(ctx context.Context, stream string) ([]types.Record, error) {
	shards, err := c.Shards(ctx, stream)
	if err != nil {
		return nil, err
	}
	var all []types.Record
	for _, s := range shards {
		got, err := c.shardRecords(ctx, stream, s)
		if err != nil {
			return nil, fmt.Errorf("read shard %s of stream %s: %w", aws.ToString(s.ShardId), stream, err)
		}
		all = append(all, got...)
	}
	return all, nil
}

func (c KinesisClient) shardRecords(ctx context.Context, stream string, s types.Shard) ([]types.Record, error) {
	at, err := c.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: aws.String(stream), ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		return nil, err
	}
	var all []types.Record
	for next := at.ShardIterator; next != nil; {
		out, err := c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
		if err != nil {
			return nil, err
		}
		all = append(all, out.Records...)
		if len(out.Records) == 0 && aws.ToInt64(out.MillisBehindLatest) == 0 {
			break
		}
		next = out.NextShardIterator
	}
	return all, nil
}

// Describe describes a stream.
func (c KinesisClient) Describe(ctx context.Context, stream string) (*types.StreamDescriptionSummary, error) {
	out, err := c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(stream)})
	if err != nil {
		return nil, fmt.Errorf("describe stream %s: %w", stream, err)
	}
	return out.StreamDescriptionSummary, nil
}
