package kinesistest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kpl"
)

func iteratorAt(t *testing.T, s *Service, shard string, kind types.ShardIteratorType, seq string) (string, error) {
	t.Helper()
	in := &kinesis.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shard), ShardIteratorType: kind}
	if seq != "" {
		in.StartingSequenceNumber = aws.String(seq)
	}
	out, err := s.GetShardIterator(t.Context(), in)
	if err != nil {
		return "", err
	}
	return *out.ShardIterator, nil
}

// readAll reads from an iterator to the tip or the end.
func readAll(t *testing.T, s *Service, iterator string) (texts []string, last *kinesis.GetRecordsOutput) {
	t.Helper()
	for {
		out, err := s.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String(iterator)})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Records {
			texts = append(texts, string(r.Data))
		}
		if out.NextShardIterator == nil || (len(out.Records) == 0 && *out.MillisBehindLatest == 0) {
			return texts, out
		}
		iterator = *out.NextShardIterator
	}
}

func shards(t *testing.T, s *Service, filter *types.ShardFilter) (ids []string) {
	t.Helper()
	in := &kinesis.ListShardsInput{StreamName: aws.String("s"), ShardFilter: filter}
	for {
		out, err := s.ListShards(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, sh := range out.Shards {
			ids = append(ids, (*sh.ShardId)[len(*sh.ShardId)-1:])
		}
		if out.NextToken == nil {
			return ids
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

func TestLineageAndFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{ShardsPerPage: 2})
		s.Create("s", 2)
		time.Sleep(time.Hour)
		before := time.Now()
		if err := errors.Join(s.Resize("s", 3), s.Resize("s", 2)); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			filter *types.ShardFilter
			want   string
		}{
			{nil, "[0 1 2 3 4]"},
			{&types.ShardFilter{Type: types.ShardFilterTypeAtLatest}, "[1 4]"},
			{&types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: aws.Time(before.Add(-time.Minute))}, "[0 1]"},
			{&types.ShardFilter{Type: types.ShardFilterTypeAfterShardId, ShardId: aws.String("shardId-000000000002")}, "[3 4]"},
		} {
			if got := fmt.Sprint(shards(t, s, tt.filter)); got != tt.want {
				t.Errorf("filter %+v: %s, want %s", tt.filter, got, tt.want)
			}
		}
		time.Sleep(25 * time.Hour)
		if got := fmt.Sprint(shards(t, s, nil)); got != "[1 4]" {
			t.Errorf("after the retention: %s", got)
		}
	})
}

func TestReadingFollowsTheRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{EmptyEvery: 3})
		s.Create("s", 1)
		var seqs []string
		for i := range 5 {
			_, seq := s.Put("s", "k", fmt.Append(nil, i))
			seqs = append(seqs, seq)
			time.Sleep(time.Hour)
		}
		shard := s.Open("s")[0]
		for _, tt := range []struct {
			kind types.ShardIteratorType
			seq  string
			want string
		}{
			{types.ShardIteratorTypeTrimHorizon, "", "[0 1 2 3 4]"},
			{types.ShardIteratorTypeAtSequenceNumber, seqs[3], "[3 4]"},
			{types.ShardIteratorTypeAfterSequenceNumber, seqs[3], "[4]"},
			{types.ShardIteratorTypeLatest, "", "[]"},
		} {
			it, err := iteratorAt(t, s, shard, tt.kind, tt.seq)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := readAll(t, s, it); fmt.Sprint(got) != tt.want {
				t.Errorf("%s: %v, want %s", tt.kind, got, tt.want)
			}
		}
		if err := s.Split("s", shard); err != nil {
			t.Fatal(err)
		}
		time.Sleep(21 * time.Hour)
		it, err := iteratorAt(t, s, shard, types.ShardIteratorTypeAfterSequenceNumber, seqs[0])
		if err != nil {
			t.Fatal(err)
		}
		got, last := readAll(t, s, it)
		if fmt.Sprint(got) != "[2 3 4]" || last.NextShardIterator != nil || len(last.ChildShards) != 2 {
			t.Errorf("a trimmed and closed shard gives %v and %d children", got, len(last.ChildShards))
		}
		time.Sleep(6 * time.Minute)
		var expired *types.ExpiredIteratorException
		if _, err := s.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: &it}); !errors.As(err, &expired) {
			t.Errorf("an old iterator: %v", err)
		}
		var invalid *types.InvalidArgumentException
		if _, err := iteratorAt(t, s, s.Open("s")[0], types.ShardIteratorTypeAtSequenceNumber, seqs[4]); !errors.As(err, &invalid) {
			t.Errorf("a sequence number of another shard: %v", err)
		}
	})
}

func TestQuotasAndPartialFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Quotas: true})
		s.Create("s", 1)
		in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
		for range 3 {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), Data: make([]byte, 500_000)})
		}
		out, err := s.PutRecords(t.Context(), in)
		if err != nil || *out.FailedRecordCount != 1 || out.Records[2].ErrorCode == nil || out.Records[1].SequenceNumber == nil {
			t.Fatalf("%+v, %v", out, err)
		}
		it, err := iteratorAt(t, s, s.Open("s")[0], types.ShardIteratorTypeLatest, "")
		if err != nil {
			t.Fatal(err)
		}
		var throttled *types.ProvisionedThroughputExceededException
		for i := range 6 {
			if _, err := s.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: &it}); errors.As(err, &throttled) != (i == 5) {
				t.Errorf("call %d within a second: %v", i, err)
			}
		}
		tooLarge := &kinesis.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: make([]byte, 10<<20)}
		if _, err := s.PutRecord(t.Context(), tooLarge); err == nil {
			t.Error("a record with its key above 10 MiB is taken")
		}
	})
}

func TestLostAnswersTakeEffect(t *testing.T) {
	s := New(Options{})
	s.Create("s", 1)
	broken := errors.New("broken")
	s.SetFaults(nil, func(operation string, _ any) error { return broken })
	if _, err := s.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k")}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	s.SetFaults(nil, nil)
	it, err := iteratorAt(t, s, s.Open("s")[0], types.ShardIteratorTypeTrimHorizon, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := readAll(t, s, it); len(got) != 1 || s.Calls("PutRecord") != 1 {
		t.Errorf("%d records, %d calls", len(got), s.Calls("PutRecord"))
	}
}

func TestRangesCoverAllHashes(t *testing.T) {
	for n := 1; n < 9; n++ {
		next := kpl.Hash{}
		for i, r := range ranges(n) {
			if r[0] != next || r[0].Compare(r[1]) > 0 {
				t.Fatalf("range %d of %d begins at %s, want %s", i, n, r[0], next)
			}
			if i == n-1 && r[1] != kpl.MaxHash {
				t.Fatalf("the last of %d ends at %s", n, r[1])
			}
			next = plus(r[1], 1)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		s.Create("s", 1)
		arn := aws.String(ARN("s"))
		reg, err := s.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: arn, ConsumerName: aws.String("c")})
		if err != nil {
			t.Fatal(err)
		}
		in := &kinesis.SubscribeToShardInput{
			ConsumerARN: reg.Consumer.ConsumerARN, ShardId: aws.String(s.Open("s")[0]),
			StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
		}
		var busy *types.ResourceInUseException
		if _, err := s.Subscribe(t.Context(), in); !errors.As(err, &busy) {
			t.Errorf("before the consumer is active: %v", err)
		}
		time.Sleep(consumerCreation)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		sub, err := s.Subscribe(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Subscribe(ctx, in); !errors.As(err, &busy) {
			t.Errorf("a second subscription at once: %v", err)
		}
		var got []string
		began := time.Now()
		go func() {
			s.Put("s", "k", []byte("one"))
			time.Sleep(time.Minute)
			s.Put("s", "k", []byte("two"))
		}()
		for e := range sub.Events() {
			for _, r := range e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value.Records {
				got = append(got, string(r.Data))
			}
		}
		if lasted := time.Since(began); !slices.Equal(got, []string{"one", "two"}) || lasted != 5*time.Minute || sub.Err() != nil {
			t.Errorf("%v in %s, %v", got, lasted, sub.Err())
		}
		if sub, err = s.Subscribe(ctx, in); err != nil {
			t.Fatal(err)
		}
		if err := s.Split("s", s.Open("s")[0]); err != nil {
			t.Fatal(err)
		}
		var last types.SubscribeToShardEvent
		for e := range sub.Events() {
			last = e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
		}
		if last.ContinuationSequenceNumber != nil || len(last.ChildShards) != 2 {
			t.Errorf("the last event of a closed shard: %+v", last)
		}
	})
}
