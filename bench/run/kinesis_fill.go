package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/test/harness"
)

const (
	recordBytes = 100     // of a record of the Kinesis rows and of deaggregate
	callRecords = 500     // Kinesis takes no more in a call
	callBytes   = 1 << 20 // kinesalite takes more, but not much faster
)

// fill puts the row's records.
func (l kinesisLoad) fill(ctx context.Context, client harness.KinesisClient) error {
	if l.each > 1 {
		return l.fillAggregates(ctx, client)
	}
	c, data := filler{client: client}, recordData()
	for i := range l.records {
		if err := c.add(ctx, keyOf(i%kinesisKeys), data); err != nil {
			return err
		}
	}
	return c.flush(ctx)
}

// fillAggregates puts aggregates. Each holds keys of one shard only, as producers write them: a record whose hash is another shard's would be
// dropped by its readers.
func (l kinesisLoad) fillAggregates(ctx context.Context, client harness.KinesisClient) error {
	c, data := filler{client: client}, recordData()
	var open [kinesisShards]struct {
		kpl.Aggregator
		first string
	}
	put := func(shard int) error {
		a := &open[shard]
		err := c.add(ctx, a.first, a.AppendTo(nil))
		a.Reset()
		return err
	}
	for i := range l.records {
		key := keyOf(i % kinesisKeys)
		shard := shardOf(key)
		a := &open[shard]
		if a.Len() == 0 {
			a.first = key
		}
		a.Add(key, "", data)
		if a.Len() < l.each {
			continue
		}
		if err := put(shard); err != nil {
			return err
		}
	}
	for shard := range open {
		if open[shard].Len() == 0 {
			continue
		}
		if err := put(shard); err != nil {
			return err
		}
	}
	return c.flush(ctx)
}

// shardOf is the number of a key's shard: a new stream's shards have equal parts of the hashes.
func shardOf(key string) int {
	return int(kpl.HashOf(key).Hi >> 60) //nolint:gosec // 4 bits: kinesisShards is 16
}

func keyOf(i int) string { return fmt.Sprintf("user-%d", i) }

func recordData() []byte { return bytes.Repeat([]byte("stateway: "), recordBytes/10) }

// filler collects records for calls of PutRecords.
type filler struct {
	client harness.KinesisClient
	waits  []types.PutRecordsRequestEntry
	size   int
}

func (f *filler) add(ctx context.Context, key string, data []byte) error {
	f.waits = append(f.waits, types.PutRecordsRequestEntry{PartitionKey: aws.String(key), Data: data})
	f.size += len(key) + len(data)
	if len(f.waits) < callRecords && f.size < callBytes {
		return nil
	}
	return f.flush(ctx)
}

// flush puts what waits. A kinesalite refuses no record alone.
func (f *filler) flush(ctx context.Context) error {
	if len(f.waits) == 0 {
		return nil
	}
	out, err := f.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(streamIn), Records: f.waits})
	if err != nil {
		return fmt.Errorf("put %d records to stream %s: %w", len(f.waits), streamIn, err)
	}
	if refused := aws.ToInt32(out.FailedRecordCount); refused > 0 {
		return fmt.Errorf("put %d records to stream %s: %d were refused", len(f.waits), streamIn, refused)
	}
	f.waits, f.size = f.waits[:0], 0
	return nil
}
