package kinesistest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// The limits of one GetRecords.
const (
	maxReadRecords = 10_000
	maxReadBytes   = 10_000_000
)

// quota is what a shard was asked for within a second.
type quota struct {
	since        time.Time
	calls, bytes int
	free         time.Time // no calls before
}

// take reports whether another call fits, of so many calls and bytes a second.
func (q *quota) take(now time.Time, calls, maxCalls, bytes, maxBytes int) bool {
	if now.Sub(q.since) >= time.Second {
		q.since, q.calls, q.bytes = now, 0, 0
	}
	if q.calls+calls > maxCalls || q.bytes+bytes > maxBytes || now.Before(q.free) {
		return false
	}
	q.calls += calls
	q.bytes += bytes
	return true
}

// ListShards lists the shards of a stream: those within the retention, or those the filter names.
func (s *Service) ListShards(ctx context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	return call(ctx, s, "ListShards", in, func() (*kinesis.ListShardsOutput, error) {
		name, after, filter := in.StreamName, aws.ToString(in.ExclusiveStartShardId), in.ShardFilter
		if in.NextToken != nil {
			if name != nil || in.StreamARN != nil || filter != nil {
				return nil, invalid("NextToken and StreamName cannot be provided together.")
			}
			var t pageToken
			if err := json.Unmarshal([]byte(*in.NextToken), &t); err != nil {
				return nil, invalid("bad token")
			}
			if s.opts.Now().Sub(t.Issued) > 5*time.Minute {
				return nil, &types.ExpiredNextTokenException{Message: aws.String("token expired")}
			}
			name, after, filter = aws.String(t.Stream), t.After, t.Filter
		}
		st, err := s.find(name, in.StreamARN)
		if err != nil {
			return nil, err
		}
		return s.listLocked(st, after, filter, int(aws.ToInt32(in.MaxResults))), nil
	})
}

type pageToken struct {
	Stream, After string
	Filter        *types.ShardFilter
	Issued        time.Time
}

func (s *Service) listLocked(st *stream, after string, filter *types.ShardFilter, limit int) *kinesis.ListShardsOutput {
	if limit == 0 || limit > s.opts.ShardsPerPage {
		limit = s.opts.ShardsPerPage
	}
	out := &kinesis.ListShardsOutput{}
	now := s.opts.Now()
	for _, sh := range st.shards {
		if sh.id <= after || sh.gone(st.horizon(now)) || (!s.opts.NoChildShards && !passes(sh, filter, st.horizon(now))) {
			continue
		}
		if len(out.Shards) == limit {
			token, _ := json.Marshal(pageToken{st.name, aws.ToString(out.Shards[limit-1].ShardId), filter, now}) //nolint:errchkjson // texts
			out.NextToken = aws.String(string(token))
			break
		}
		out.Shards = append(out.Shards, sh.describe())
	}
	return out
}

func passes(sh *shard, f *types.ShardFilter, horizon time.Time) bool {
	if f == nil {
		return true
	}
	at := aws.ToTime(f.Timestamp)
	if at.Before(horizon) {
		at = horizon
	}
	openAt := func(t time.Time) bool { return !sh.opened.After(t) && (sh.closed.IsZero() || !sh.closed.Before(t)) }
	switch f.Type {
	case types.ShardFilterTypeAtLatest:
		return sh.closed.IsZero()
	case types.ShardFilterTypeAtTimestamp:
		return openAt(at)
	case types.ShardFilterTypeAtTrimHorizon:
		return openAt(horizon)
	case types.ShardFilterTypeFromTimestamp:
		return sh.closed.IsZero() || !sh.closed.Before(at)
	case types.ShardFilterTypeAfterShardId:
		return sh.id > aws.ToString(f.ShardId)
	case types.ShardFilterTypeFromTrimHorizon:
	}
	return true
}

func (sh *shard) describe() types.Shard {
	out := types.Shard{
		ShardId:             aws.String(sh.id),
		HashKeyRange:        &types.HashKeyRange{StartingHashKey: aws.String(sh.low.String()), EndingHashKey: aws.String(sh.high.String())},
		SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String(sh.first)},
	}
	if sh.parent != "" {
		out.ParentShardId = aws.String(sh.parent)
	}
	if sh.adjacent != "" {
		out.AdjacentParentShardId = aws.String(sh.adjacent)
	}
	if sh.last != "" {
		out.SequenceNumberRange.EndingSequenceNumber = aws.String(sh.last)
	}
	return out
}

// iterator is what a shard iterator says.
type iterator struct {
	Stream, Shard string
	Next          int // index of the next record
	Issued        time.Time
	Number        int // makes each one different
}

func (s *Service) iteratorLocked(st *stream, sh *shard, next int) *string {
	s.issued++
	b, _ := json.Marshal(iterator{st.name, sh.id, next, s.opts.Now(), s.issued})
	return aws.String(string(b))
}

// GetShardIterator makes an iterator.
func (s *Service) GetShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput, _ ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	return call(ctx, s, "GetShardIterator", in, func() (*kinesis.GetShardIteratorOutput, error) {
		st, sh, err := s.findShardLocked(in.StreamName, in.StreamARN, aws.ToString(in.ShardId))
		if err != nil {
			return nil, err
		}
		next, err := s.startLocked(st, sh, in.ShardIteratorType, aws.ToString(in.StartingSequenceNumber), in.Timestamp)
		if err != nil {
			return nil, err
		}
		return &kinesis.GetShardIteratorOutput{ShardIterator: s.iteratorLocked(st, sh, next)}, nil
	})
}

func (s *Service) findShardLocked(name, arn *string, id string) (*stream, *shard, error) {
	st, err := s.find(name, arn)
	if err != nil {
		return nil, nil, err
	}
	sh := st.shard(id)
	if sh == nil || sh.gone(st.horizon(s.opts.Now())) {
		return nil, nil, notFound("Could not find shard %s in stream %s under account %s.", id, st.name, Account)
	}
	return st, sh, nil
}

// startLocked is the index of the record that a starting position means. Records that are gone count as the oldest, silently.
func (s *Service) startLocked(st *stream, sh *shard, kind types.ShardIteratorType, seq string, at *time.Time) (int, error) {
	now := s.opts.Now()
	switch kind {
	case types.ShardIteratorTypeTrimHorizon:
		return sh.oldest(st.horizon(now)), nil
	case types.ShardIteratorTypeLatest:
		return len(sh.records), nil
	case types.ShardIteratorTypeAtTimestamp:
		if at == nil || at.After(now) {
			return 0, invalid("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis.")
		}
		i := slices.IndexFunc(sh.records, func(r record) bool { return !r.arrived.Before(*at) })
		if i < 0 {
			return len(sh.records), nil
		}
		return i, nil
	case types.ShardIteratorTypeAtSequenceNumber, types.ShardIteratorTypeAfterSequenceNumber:
	}
	if !st.owns(sh, seq) {
		return 0, invalid("StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s under account %s is invalid.", seq, sh.id, st.name, Account)
	}
	i, found := slices.BinarySearchFunc(sh.records, seq, func(r record, seq string) int { return strings.Compare(*r.SequenceNumber, seq) })
	if found && kind == types.ShardIteratorTypeAfterSequenceNumber {
		i++
	}
	return i, nil
}

// GetRecords reads from an iterator on.
func (s *Service) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	return call(ctx, s, "GetRecords", in, func() (*kinesis.GetRecordsOutput, error) {
		var it iterator
		if err := json.Unmarshal([]byte(aws.ToString(in.ShardIterator)), &it); err != nil {
			return nil, invalid("Invalid ShardIterator.")
		}
		now := s.opts.Now()
		if now.Sub(it.Issued) > s.opts.IteratorAge {
			return nil, &types.ExpiredIteratorException{Message: aws.String("Iterator expired.")}
		}
		st, sh, err := s.findShardLocked(&it.Stream, nil, it.Shard)
		if err != nil {
			return nil, err
		}
		if s.opts.Quotas && !sh.reads.take(now, 1, 5, 0, 1<<40) {
			return nil, Throttled(sh.id)
		}
		limit := int(aws.ToInt32(in.Limit))
		if limit == 0 || limit > maxReadRecords {
			limit = maxReadRecords
		}
		if sh.asked++; s.opts.EmptyEvery > 0 && sh.asked%s.opts.EmptyEvery == 0 {
			limit = 0
		}
		return s.readLocked(st, sh, it.Next, limit), nil
	})
}

func (s *Service) readLocked(st *stream, sh *shard, from, limit int) *kinesis.GetRecordsOutput {
	now := s.opts.Now()
	from = max(from, sh.oldest(st.horizon(now)))
	out := &kinesis.GetRecordsOutput{}
	next, size := from, 0
	for next < len(sh.records) && next-from < limit {
		r := sh.records[next]
		more := len(r.Data) + len(*r.PartitionKey)
		if size+more > maxReadBytes && next > from {
			break
		}
		size += more
		out.Records = append(out.Records, r.Record)
		next++
	}
	sh.reads.free = now.Add(time.Duration(size/2_000_000) * time.Second)
	out.MillisBehindLatest = aws.Int64(sh.behind(next, now))
	ended := !sh.closed.IsZero() && next == len(sh.records)
	switch {
	case !ended || (s.opts.NoChildShards && len(out.Records) > 0) || limit == 0:
		out.NextShardIterator = s.iteratorLocked(st, sh, next)
	case !s.opts.NoChildShards:
		out.ChildShards = st.children(sh)
	}
	return out
}

// behind is how long ago the next record arrived, in milliseconds; zero if there is none.
func (sh *shard) behind(next int, now time.Time) int64 {
	if next >= len(sh.records) {
		return 0
	}
	return now.Sub(sh.records[next].arrived).Milliseconds()
}

func (st *stream) children(sh *shard) []types.ChildShard {
	var out []types.ChildShard
	for _, c := range st.shards {
		if c.parent != sh.id && c.adjacent != sh.id {
			continue
		}
		child := types.ChildShard{
			ShardId: aws.String(c.id), ParentShards: []string{c.parent},
			HashKeyRange: &types.HashKeyRange{StartingHashKey: aws.String(c.low.String()), EndingHashKey: aws.String(c.high.String())},
		}
		if c.adjacent != "" {
			child.ParentShards = append(child.ParentShards, c.adjacent)
		}
		out = append(out, child)
	}
	return out
}

// DescribeStreamSummary tells a stream's ARN and retention.
func (s *Service) DescribeStreamSummary(ctx context.Context, in *kinesis.DescribeStreamSummaryInput, _ ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	return call(ctx, s, "DescribeStreamSummary", in, func() (*kinesis.DescribeStreamSummaryOutput, error) {
		st, err := s.find(in.StreamName, in.StreamARN)
		if err != nil {
			return nil, err
		}
		return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{
			StreamName: aws.String(st.name), StreamARN: aws.String(ARN(st.name)), StreamStatus: types.StreamStatusActive,
			RetentionPeriodHours:    aws.Int32(int32(st.retention / time.Hour)), //nolint:gosec // small
			OpenShardCount:          aws.Int32(int32(len(st.openShards()))),     //nolint:gosec // small
			StreamCreationTimestamp: aws.Time(st.created),
		}}, nil
	})
}
