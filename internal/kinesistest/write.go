package kinesistest

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kpl"
)

// The limits of writing: a record with its key, a PutRecords call, and what a shard takes in a second.
const (
	maxRecord        = 10 << 20
	maxPutRecords    = 500
	maxPutBytes      = 10 << 20
	shardWriteBytes  = 1 << 20
	shardWriteNumber = 1000
)

// Put writes a record and panics if it cannot: a test's short form of PutRecord.
func (s *Service) Put(stream, partitionKey string, data []byte) (shardID, sequence string) {
	return s.PutHashed(stream, partitionKey, "", data)
}

// PutHashed is Put with an explicit hash key, empty for none.
func (s *Service) PutHashed(stream, partitionKey, explicitHashKey string, data []byte) (shardID, sequence string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := types.PutRecordsRequestEntry{PartitionKey: &partitionKey, Data: data}
	if explicitHashKey != "" {
		in.ExplicitHashKey = &explicitHashKey
	}
	sh, r, err := s.putLocked(s.streams[stream], in)
	if err != nil {
		panic(fmt.Sprintf("kinesistest: put to %s: %v", stream, err))
	}
	s.changeLocked()
	return sh.id, *r.SequenceNumber
}

// PutRecord writes one record.
func (s *Service) PutRecord(ctx context.Context, in *kinesis.PutRecordInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordOutput, error) {
	return call(ctx, s, "PutRecord", in, func() (*kinesis.PutRecordOutput, error) {
		st, err := s.find(in.StreamName, in.StreamARN)
		if err != nil {
			return nil, err
		}
		entry := types.PutRecordsRequestEntry{PartitionKey: in.PartitionKey, Data: in.Data, ExplicitHashKey: in.ExplicitHashKey}
		if err := check(entry); err != nil {
			return nil, err
		}
		sh, r, err := s.putLocked(st, entry)
		if err != nil {
			return nil, err
		}
		s.changeLocked()
		return &kinesis.PutRecordOutput{ShardId: aws.String(sh.id), SequenceNumber: r.SequenceNumber}, nil
	})
}

// PutRecords writes records in their order; each of them may fail alone, for a shard that has had enough.
func (s *Service) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	return call(ctx, s, "PutRecords", in, func() (*kinesis.PutRecordsOutput, error) {
		st, err := s.find(in.StreamName, in.StreamARN)
		if err != nil {
			return nil, err
		}
		size := 0
		for _, entry := range in.Records {
			if err := check(entry); err != nil {
				return nil, err
			}
			size += len(entry.Data) + len(*entry.PartitionKey)
		}
		if n := len(in.Records); n == 0 || n > maxPutRecords || size > maxPutBytes {
			return nil, invalid("%d records of %d bytes: a call takes 1 to %d, and %d bytes", n, size, maxPutRecords, maxPutBytes)
		}
		out := &kinesis.PutRecordsOutput{FailedRecordCount: aws.Int32(0)}
		for _, entry := range in.Records {
			out.Records = append(out.Records, s.putEntryLocked(st, entry, out.FailedRecordCount))
		}
		s.changeLocked()
		return out, nil
	})
}

func (s *Service) putEntryLocked(st *stream, entry types.PutRecordsRequestEntry, failed *int32) types.PutRecordsResultEntry {
	sh, r, err := s.putLocked(st, entry)
	if err != nil {
		*failed++
		return types.PutRecordsResultEntry{ErrorCode: aws.String("ProvisionedThroughputExceededException"), ErrorMessage: aws.String(err.Error())}
	}
	return types.PutRecordsResultEntry{ShardId: aws.String(sh.id), SequenceNumber: r.SequenceNumber}
}

func check(entry types.PutRecordsRequestEntry) error {
	key := aws.ToString(entry.PartitionKey)
	if n := utf8.RuneCountInString(key); n < 1 || n > 256 {
		return &types.ValidationException{Message: aws.String("partitionKey must have 1 to 256 characters")}
	}
	if len(entry.Data)+len(key) > maxRecord {
		return &types.ValidationException{Message: aws.String("data and partitionKey must have at most 10485760 bytes")}
	}
	if entry.ExplicitHashKey != nil {
		if _, err := kpl.ParseHash(*entry.ExplicitHashKey); err != nil {
			return invalid("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s", *entry.ExplicitHashKey)
		}
	}
	return nil
}

func (s *Service) putLocked(st *stream, entry types.PutRecordsRequestEntry) (*shard, record, error) {
	at := kpl.HashOf(aws.ToString(entry.PartitionKey))
	if entry.ExplicitHashKey != nil {
		var err error
		if at, err = kpl.ParseHash(*entry.ExplicitHashKey); err != nil {
			return nil, record{}, err
		}
	}
	now := s.opts.Now()
	for _, sh := range st.openShards() {
		if !at.Within(sh.low, sh.high) {
			continue
		}
		if s.opts.Quotas && !sh.writes.take(now, 1, shardWriteNumber, len(entry.Data)+len(*entry.PartitionKey), max(shardWriteBytes, len(entry.Data)+len(*entry.PartitionKey))) {
			return nil, record{}, Throttled(sh.id)
		}
		r := record{arrived: now, Record: types.Record{
			Data: entry.Data, PartitionKey: entry.PartitionKey, SequenceNumber: aws.String(st.sequence(sh)),
			ApproximateArrivalTimestamp: aws.Time(now), EncryptionType: types.EncryptionTypeNone,
		}}
		sh.records = append(sh.records, r)
		return sh, r, nil
	}
	return nil, record{}, fmt.Errorf("no open shard of %s takes hash %s", st.name, at)
}
