package kinesis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/kinesis"
)

// emission is an egress under test and what its done has said.
type emission struct {
	t  *testing.T
	e  *kinesis.Emitter
	mu sync.Mutex
	ok int
	// errs are by text; when is the virtual time of each record's answer.
	errs map[string]int
	last error
	when map[string]time.Duration
	from time.Time
}

func emit(t *testing.T, o kinesis.Options) *emission {
	t.Helper()
	e, err := kinesis.OpenEmitter(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return &emission{t: t, e: e, errs: map[string]int{}, when: map[string]time.Duration{}, from: time.Now()}
}

// send emits records; the names given are those of their answers in when.
func (m *emission) send(recs []egress.Record, names ...string) {
	m.t.Helper()
	n := m.e.Emit(0, recs, func(from, to int, err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if err == nil {
			m.ok += to - from
		} else {
			m.errs[err.Error()] += to - from
			m.last = err
		}
		for i := from; i < to && i < len(names); i++ {
			m.when[names[i]] = time.Since(m.from)
		}
	})
	if n != len(recs) {
		m.t.Fatalf("took %d of %d records", n, len(recs))
	}
}

// answered is how many records were answered with nil and with errors.
func (m *emission) answered() (ok int, errs map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ok, m.errs
}

func (m *emission) stats(stream string) kinesis.Stats {
	all := m.e.Stats()
	return all[slices.IndexFunc(all, func(s kinesis.Stats) bool { return s.Stream == stream })]
}

func many(t *testing.T, stream string, n, keys int, value string) (recs []egress.Record) {
	for i := range n {
		recs = append(recs, record(t, stream, fmt.Sprintf("key%d", i%keys), "", value))
	}
	return recs
}

func TestThrottledShardDoesNotSlowOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		s := f.create("s", 2)
		f.faults.latency = 5 * time.Millisecond
		busy := s.shards[1].id
		until := time.Now().Add(3 * time.Second)
		f.entryErr = func(shard string) string {
			if shard == busy && time.Now().Before(until) {
				return "ProvisionedThroughputExceededException"
			}
			return ""
		}
		o := options(f)
		o.Random = nil
		m := emit(t, o)
		slow := record(t, "s", "k", bigHash("", "340282366920938463463374607431768211455").String(), "slow")
		m.send([]egress.Record{slow}, "slow")
		for i := range 20 {
			m.send([]egress.Record{record(t, "s", "k", "1", "fast")}, fmt.Sprint("fast", i))
			pass(50 * time.Millisecond)
		}
		pass(30 * time.Second)
		for i := range 20 {
			at := time.Duration(i) * 50 * time.Millisecond
			if took := m.when[fmt.Sprint("fast", i)] - at; took > 45*time.Millisecond {
				t.Errorf("a record of the other shard took %v", took)
			}
		}
		if at := m.when["slow"]; at < 3*time.Second || at > 15*time.Second {
			t.Errorf("the throttled record was in after %v", at)
		}
		if st := m.stats("s"); st.Throttles == 0 || st.Throttles > 40 || st.Retries != st.Throttles || st.Records != 21 || st.Shards != 2 {
			t.Errorf("stats %+v", st)
		}
		checkRules(t, f)
	})
}

// A pause grows with failures in a row, and with those alone.
func TestPausesStartAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.create("s", 1)
		calls := 0
		f.entryErr = func(string) string {
			if calls++; calls%4 == 1 || calls%4 == 2 { // it is asked twice about a record that is not taken
				return "InternalFailure"
			}
			return ""
		}
		o := options(f)
		o.Random = func() float64 { return 0.999 }
		m := emit(t, o)
		for i := range 40 {
			name := fmt.Sprint(i)
			sent := time.Since(m.from)
			m.send([]egress.Record{record(t, "s", name, "", "x")}, name)
			pass(10 * time.Second)
			if took := m.when[name] - sent; took > 100*time.Millisecond {
				t.Fatalf("record %d took %v", i, took)
			}
		}
		if st := m.stats("s"); st.Retries < 10 || st.Throttles != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestCallsAreFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.create("s", 4)
		f.faults.latency = 10 * time.Millisecond
		o := options(f)
		o.Records, o.Bytes, o.RecordBytes = 10_000, 1<<30, kinesis.MaxRecordBytes
		m := emit(t, o)
		m.send(many(t, "s", 2000, 2000, "small"))
		pass(time.Second)
		if f.calls != 4 {
			t.Errorf("2,000 small records in %d calls, want 4", f.calls)
		}
		m.send(many(t, "s", 30, 30, strings.Repeat("x", 1<<20-100)))
		pass(time.Second)
		if f.calls < 4+3 || f.calls > 4+5 {
			t.Errorf("30 records of 1 MiB in %d calls, want 3 or a few more", f.calls-4)
		}
		before := f.calls
		m.send(append(many(t, "s", 3, 3, strings.Repeat("x", 2<<20)), many(t, "s", 20, 20, "small")...))
		pass(time.Second)
		if n := f.calls - before; n < 4 {
			t.Errorf("3 large records and 20 small ones in %d calls: a large one goes alone", n)
		}
		if ok, errs := m.answered(); ok != 2053 {
			t.Errorf("%d records done, errors %v", ok, errs)
		}
		checkRules(t, f)
	})
}

func TestOneKeyGoesOneAtATimeUnlessAggregated(t *testing.T) {
	for _, aggregate := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(1)
			f.create("s", 4)
			f.faults.latency = 10 * time.Millisecond
			o := options(f)
			o.Aggregate = aggregate
			m := emit(t, o)
			m.send(many(t, "s", 300, 1, "hello"))
			pass(time.Minute)
			want := 300
			if aggregate {
				want = 1
			}
			if got := len(f.streams["s"].records); got != want || f.calls != want || len(f.users("s")) != 300 {
				t.Errorf("aggregates %v: %d records in %d calls, %d as readers see them", aggregate, got, f.calls, len(f.users("s")))
			}
			checkRules(t, f)
		})
	}
}

func TestLingerGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.create("s", 1)
		o := options(f)
		o.Linger = 100 * time.Millisecond
		m := emit(t, o)
		m.send(many(t, "s", 1, 1, "first"), "first") // until the shards are listed nothing goes anyway
		pass(time.Second)
		for i := range 10 {
			m.send([]egress.Record{record(t, "s", fmt.Sprint(i), "", "x")}, fmt.Sprint(i))
			pass(5 * time.Millisecond)
		}
		pass(time.Second)
		if f.calls != 2 || m.when["0"] != time.Second+100*time.Millisecond {
			t.Errorf("%d calls, the first record in after %v", f.calls, m.when["0"])
		}
	})
}

func TestRateLimitPaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.create("s", 1)
		o := options(f)
		o.RateLimit, o.Records = 100, 5000
		m := emit(t, o)
		m.send(many(t, "s", 3000, 3000, "x"))
		pass(2400 * time.Millisecond)
		if ok, _ := m.answered(); ok > 2950 {
			t.Errorf("%d records in 2.4 s, more than the shard takes", ok)
		}
		pass(300 * time.Millisecond)
		if ok, _ := m.answered(); ok != 3000 {
			t.Errorf("%d records in 2.7 s, want 3,000", ok)
		}
	})
}

func TestStreamThatCannotBeWrittenTo(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&types.ResourceNotFoundException{Message: aws.String("not found")}, "create the stream or its key, or correct its name or the region"},
		{&types.AccessDeniedException{Message: aws.String("no")}, "allow kinesis:PutRecords and kinesis:ListShards on it, and kms:GenerateDataKey if it is encrypted"},
		{&types.KMSDisabledException{Message: aws.String("off")}, "allow kinesis:PutRecords"},
		{errors.New("a certificate of somebody else"), "a certificate of somebody else"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(1)
			f.create("good", 1)
			f.create("bad", 1)
			f.faults.latency = time.Millisecond
			mended := false
			f.putErr = func(in *sdk.PutRecordsInput) error {
				if *in.StreamName == "bad" && !mended {
					return tt.err
				}
				return nil
			}
			m := emit(t, options(f))
			m.send(append(many(t, "bad", 30, 5, "x"), many(t, "good", 30, 30, "x")...))
			pass(100 * time.Millisecond)
			ok, errs := m.answered()
			if ok != 30 || len(errs) != 1 || !strings.Contains(m.last.Error(), tt.want) || !strings.Contains(m.last.Error(), "stream bad cannot be written to") ||
				errors.Is(m.last, egress.ErrRefused) {
				t.Errorf("%d done, errors %v", ok, errs)
			}
			calls := f.calls
			m.send(many(t, "bad", 10, 5, "x")) // at once, without a call
			if _, errs := m.answered(); f.calls != calls || errs[m.last.Error()] != 40 {
				t.Errorf("%d calls, errors %v", f.calls-calls, errs)
			}
			if st := m.stats("bad"); st.Broken == nil || st.Waiting != 0 {
				t.Errorf("stats %+v", st)
			}
			pass(time.Second)
			f.mu.Lock()
			mended = true
			f.mu.Unlock()
			m.send(many(t, "bad", 10, 5, "x"))
			pass(100 * time.Millisecond)
			if ok, _ := m.answered(); ok != 40 || m.stats("bad").Broken != nil {
				t.Errorf("%d done after it was mended, stats %+v", ok, m.stats("bad"))
			}
		})
	}
}

func TestRefusedRecordIsFound(t *testing.T) {
	for _, aggregate := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(1)
			f.create("s", 3)
			f.size = 5000
			f.faults.latency = 5 * time.Millisecond
			o := options(f)
			o.Aggregate, o.AggregateBytes = aggregate, 4000
			m := emit(t, o)
			recs := many(t, "s", 600, 200, "good")
			recs[77] = record(t, "s", "key77", "", strings.Repeat("x", 6000))
			m.send(recs)
			pass(10 * time.Second)
			ok, errs := m.answered()
			if ok != 599 || len(errs) != 1 || !errors.Is(m.last, egress.ErrRefused) || m.stats("s").Refused != 1 {
				t.Errorf("aggregates %v: %d done, errors %v", aggregate, ok, errs)
			}
			if f.calls > 120 {
				t.Errorf("%d calls to find it", f.calls)
			}
			before := f.calls
			m.send(append(many(t, "s", 199, 199, "good"), record(t, "s", "key199", "", strings.Repeat("x", 6000)))) // found again ...
			pass(10 * time.Second)
			searched := f.calls
			m.send(append(many(t, "s", 199, 199, "good"), record(t, "s", "key199", "", strings.Repeat("x", 6000)))) // ... and known
			pass(10 * time.Second)
			if again := f.calls - searched; again > 6 || searched-before < again {
				t.Errorf("%d calls the second time, %d the first", again, searched-before)
			}
			checkRules(t, f)
		})
	}
}

// shortAnswer leaves the last record of an answer out.
type shortAnswer struct {
	*fake
	times int
}

func (s *shortAnswer) PutRecords(ctx context.Context, in *sdk.PutRecordsInput, o ...func(*sdk.Options)) (*sdk.PutRecordsOutput, error) {
	out, err := s.fake.PutRecords(ctx, in, o...)
	if s.times--; s.times >= 0 && err == nil {
		out.Records = out.Records[1:]
	}
	return out, err
}

func TestWhatIsTriedAgain(t *testing.T) {
	for name, err := range map[string]error{
		"throttled":    &types.ProvisionedThroughputExceededException{},
		"keys":         &types.KMSThrottlingException{},
		"internal":     &types.InternalFailureException{},
		"time-out":     context.DeadlineExceeded,
		"used up":      &smithy.GenericAPIError{Code: "ExpiredTokenException"},
		"conflict":     &types.ResourceInUseException{},
		"short answer": nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(1)
			f.create("s", 2)
			f.faults.latency = time.Millisecond
			times := 5
			f.putErr = func(*sdk.PutRecordsInput) error {
				if times--; times >= 0 {
					return err
				}
				return nil
			}
			o := options(f)
			o.Random = nil
			if err == nil {
				o.Client = &shortAnswer{fake: f, times: 5}
			}
			m := emit(t, o)
			m.send(many(t, "s", 20, 10, "x"))
			pass(30 * time.Second)
			if ok, errs := m.answered(); ok != 20 || len(errs) != 0 {
				t.Errorf("%s: %d done, errors %v", name, ok, errs)
			}
			if st := m.stats("s"); st.Failures != 5 || st.Retries < 20 || (st.Throttles > 0) != (name == "throttled" || name == "keys") {
				t.Errorf("%s: stats %+v", name, st)
			}
		})
	}
}

// What is tried again for as long as it takes is told, now and then: keys that have expired for good look like a bad minute.
func TestCallsThatKeepFailingAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.create("s", 2)
		f.faults.latency = time.Millisecond
		failing := true
		f.putErr = func(*sdk.PutRecordsInput) error {
			if failing {
				return &smithy.GenericAPIError{Code: "ExpiredTokenException", Message: "the token has expired"}
			}
			return nil
		}
		var log bytes.Buffer
		o := options(f)
		o.Random, o.Log = nil, slog.New(slog.NewTextHandler(&log, nil))
		m := emit(t, o)
		m.send(many(t, "s", 20, 10, "x"))
		pass(10 * time.Minute)
		lines := strings.Count(log.String(), "tried again")
		if lines < 8 || lines > 12 || !strings.Contains(log.String(), "stream=s") || !strings.Contains(log.String(), "the token has expired") {
			t.Errorf("%d lines in 10 minutes:\n%.2000s", lines, log.String())
		}
		f.mu.Lock()
		failing = false
		f.mu.Unlock()
		pass(time.Minute)
		if ok, errs := m.answered(); ok != 20 || len(errs) != 0 {
			t.Errorf("%d done, errors %v", ok, errs)
		}
		f.mu.Lock()
		failing = true
		f.mu.Unlock()
		before := log.Len()
		m.send(many(t, "s", 20, 10, "y"))
		pass(100 * time.Millisecond)
		if log.Len() != before {
			t.Errorf("a single failure is told: %s", log.String()[before:])
		}
	})
}

func TestShardsThatCannotBeListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.create("s", 3)
		f.listErr = &types.AccessDeniedException{}
		var log bytes.Buffer
		o := options(f)
		o.Log, o.Aggregate = slog.New(slog.NewTextHandler(&log, nil)), true
		m := emit(t, o)
		for range 300 {
			m.send(many(t, "s", 10, 3, "x"))
			pass(time.Second)
		}
		if ok, errs := m.answered(); ok != 3000 || len(f.users("s")) != 3000 {
			t.Errorf("%d done, errors %v, %d in the stream", ok, errs, len(f.users("s")))
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "kinesis:ListShards") {
			t.Errorf("log:\n%s", log.String())
		}
		if f.lists > 12 {
			t.Errorf("%d listings in 5 minutes", f.lists)
		}
	})
}

func TestReshardingBeneathAggregates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		s := f.create("s", 1)
		o := options(f)
		o.Aggregate = true
		m := emit(t, o)
		m.send(many(t, "s", 100, 20, "before"))
		pass(time.Second)
		f.split("s", 0)
		m.send(many(t, "s", 100, 20, "after"))
		pass(time.Second)
		if ok, errs := m.answered(); ok != 200 || len(f.users("s")) != 200 {
			t.Errorf("%d done, errors %v, readers see %d", ok, errs, len(f.users("s")))
		}
		if n := len(s.records); n != 1+1+1 || m.stats("s").Shards != 2 {
			t.Errorf("%d records in the stream: want one before, one after, and the rest of that for the other shard", n)
		}
		s.list = s.shards[:1:1] // listings lag behind
		s.list[0].closed = false
		f.split("s", 0)
		m.send(many(t, "s", 100, 20, "later"))
		pass(10 * time.Second)
		if ok, errs := m.answered(); ok != 300 || m.stats("s").Waiting != 0 {
			t.Errorf("%d done, errors %v", ok, errs)
		}
		checkRules(t, f)
	})
}

func TestCloseLetsOpenCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		f := newFake(1)
		f.create("s", 1)
		f.faults.latency = 500 * time.Millisecond
		m := emit(t, options(f))
		m.send(many(t, "s", 10, 5, "x"))
		pass(10 * time.Millisecond)
		if err := m.e.Close(); err != nil {
			t.Fatal(err)
		}
		if ok, errs := m.answered(); ok != 5 || errs[egress.ErrClosed.Error()] != 5 {
			t.Errorf("%d done, errors %v", ok, errs)
		}
		m.send(many(t, "s", 1, 1, "x"))
		if _, errs := m.answered(); errs[egress.ErrClosed.Error()] != 6 {
			t.Errorf("errors %v", errs)
		}
	})
}

// hung answers nothing before its caller gives up.
type hung struct{ *fake }

func (hung) PutRecords(ctx context.Context, _ *sdk.PutRecordsInput, _ ...func(*sdk.Options)) (*sdk.PutRecordsOutput, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestCloseGivesUpCallsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.create("s", 1)
		o := options(f)
		o.Client = hung{f}
		m := emit(t, o)
		m.send(many(t, "s", 10, 5, "x"))
		pass(10 * time.Millisecond)
		start := time.Now()
		if err := m.e.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("Close took %v", took)
		}
		if ok, errs := m.answered(); ok != 0 || errs[egress.ErrClosed.Error()] != 10 {
			t.Errorf("%d done, errors %v", ok, errs)
		}
	})
}

func TestIdleStreamsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		m := emit(t, options(f))
		for i := range 1500 {
			name := fmt.Sprint("stream", i)
			f.create(name, 1)
			m.send([]egress.Record{record(t, name, "k", "", "x")})
			pass(time.Millisecond)
		}
		all := m.e.Stats()
		var total uint64
		for _, s := range all {
			total += s.Records
		}
		if len(all) != 1001 || total != 1500 || all[0].Stream != "" || all[0].Records != 500 {
			t.Errorf("%d streams, %d records, first %+v", len(all), total, all[0])
		}
	})
}

func TestStreamsByARN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/s"
		f := newFake(1)
		f.create(arn, 1)
		o := options(f)
		o.Stream = arn
		m := emit(t, o)
		m.send([]egress.Record{record(t, arn, "k", "", "x"), {Typename: "a/b", Value: []byte("y"), Shard: 7}})
		pass(time.Second)
		got := f.users(arn)
		slices.SortFunc(got, func(a, b user) int { return strings.Compare(a.data, b.data) })
		if len(got) != 2 || got[0].key != "k" || got[1] != (user{got[1].shard, "7", "y"}) {
			t.Errorf("got %+v", got)
		}
	})
}
