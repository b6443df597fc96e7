package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kinesistest"
	"github.com/stateway/stateway/runtime/ingress"
)

// start makes a stream "s" and a node that reads it.
func start(t *testing.T, shards int, so kinesistest.Options, change func(*Options)) (*kinesistest.Service, *node) {
	t.Helper()
	service := kinesistest.New(so)
	service.Create("s", shards)
	o := plain(service)
	if change != nil {
		change(&o)
	}
	n := newNode(t, o)
	if err := n.discover(); err != nil {
		t.Fatal(err)
	}
	return service, n
}

// sequence puts the records from to to-1 of key "k" to stream "s".
func sequence(s *kinesistest.Service, from, to int) (want []string) {
	for i := from; i < to; i++ {
		s.Put("s", "k", fmt.Append(nil, i))
		want = append(want, fmt.Sprint("k=", i))
	}
	return want
}

func (n *node) expect(t *testing.T, want []string) {
	t.Helper()
	if got := n.texts(); !slices.Equal(got, want) {
		t.Errorf("got %d records %.300v, want %d %.300v; last error %v", len(got), got, len(want), want, n.failure())
	}
}

// either fails as the first of two faults that does.
func either(a, b kinesistest.Fault) kinesistest.Fault {
	return func(op string, input any) error {
		if err := a(op, input); err != nil {
			return err
		}
		return b(op, input)
	}
}

// failing lets so many calls of an operation fail with err.
func failing(operation string, times int, err error) kinesistest.Fault {
	var n atomic.Int64
	return func(op string, _ any) error {
		if op == operation && n.Add(1) <= int64(times) {
			return err
		}
		return nil
	}
}

func TestErrorsThatPass(t *testing.T) {
	reset := fmt.Errorf("read: %w", syscall.ECONNRESET)
	for _, tt := range []struct {
		name          string
		before, after kinesistest.Fault
		throttles     uint64
		seen          bool // by the node
	}{
		{"throttled GetRecords", failing("GetRecords", 30, kinesistest.Throttled("x")), nil, 30, false},
		{"too many calls of all consumers", failing("GetRecords", 7, &types.LimitExceededException{}), nil, 7, false},
		{"throttled GetShardIterator", either( // the reader may have its first iterator before the faults are there
			failing("GetShardIterator", 3, kinesistest.Throttled("x")), failing("GetRecords", 1, &types.ExpiredIteratorException{}),
		), nil, 3, false},
		{"broken connections", failing("GetRecords", 4, reset), nil, 0, false},
		{"lost answers", nil, failing("GetRecords", 4, reset), 0, false},
		{"an iterator that expires at once", failing("GetRecords", 1, &types.ExpiredIteratorException{}), nil, 0, false},
		{"an internal failure that lasts", failing("GetRecords", 20, &types.InternalFailureException{}), nil, 0, true},
		{"no permission for a while", failing("GetRecords", 2, &types.AccessDeniedException{}), nil, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				service, n := start(t, 1, kinesistest.Options{}, nil)
				defer n.halt()
				want := sequence(service, 0, 5)
				service.SetFaults(tt.before, tt.after)
				time.Sleep(10 * time.Minute)
				want = append(want, sequence(service, 5, 8)...)
				time.Sleep(15 * time.Second)
				n.expect(t, want)
				if got := n.in.Report()[0].Throttles; got != tt.throttles {
					t.Errorf("%d throttles reported, want %d", got, tt.throttles)
				}
				if (n.failure() != nil) != tt.seen {
					t.Errorf("the node saw %v", n.failure())
				}
			})
		})
	}
}

func TestNoPermissionNamesTheAction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, nil)
		defer n.halt()
		service.SetFaults(failing("GetRecords", 1000, &types.AccessDeniedException{}), nil)
		time.Sleep(time.Minute)
		if err := n.failure(); err == nil || !strings.Contains(err.Error(), "allow kinesis:GetRecords on stream s") {
			t.Errorf("error %v", err)
		}
	})
}

// hanging is an API that does not answer an operation while it hangs.
type hanging struct {
	API
	operation string
	hangs     atomic.Bool
}

func unlessHanging[T any](ctx context.Context, h *hanging, operation string, call func() (T, error)) (T, error) {
	if h.hangs.Load() && operation == h.operation {
		<-ctx.Done()
		var none T
		return none, ctx.Err()
	}
	return call()
}

func (h *hanging) ListShards(ctx context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	return unlessHanging(ctx, h, "ListShards", func() (*kinesis.ListShardsOutput, error) { return h.API.ListShards(ctx, in) })
}

func (h *hanging) GetShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput, _ ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	return unlessHanging(ctx, h, "GetShardIterator", func() (*kinesis.GetShardIteratorOutput, error) { return h.API.GetShardIterator(ctx, in) })
}

func (h *hanging) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	return unlessHanging(ctx, h, "GetRecords", func() (*kinesis.GetRecordsOutput, error) { return h.API.GetRecords(ctx, in) })
}

func (h *hanging) DescribeStreamSummary(ctx context.Context, in *kinesis.DescribeStreamSummaryInput, _ ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	return unlessHanging(ctx, h, "DescribeStreamSummary", func() (*kinesis.DescribeStreamSummaryOutput, error) { return h.API.DescribeStreamSummary(ctx, in) })
}

func (h *hanging) RegisterStreamConsumer(ctx context.Context, in *kinesis.RegisterStreamConsumerInput, _ ...func(*kinesis.Options)) (*kinesis.RegisterStreamConsumerOutput, error) {
	return unlessHanging(ctx, h, "RegisterStreamConsumer", func() (*kinesis.RegisterStreamConsumerOutput, error) { return h.API.RegisterStreamConsumer(ctx, in) })
}

func (h *hanging) DescribeStreamConsumer(ctx context.Context, in *kinesis.DescribeStreamConsumerInput, _ ...func(*kinesis.Options)) (*kinesis.DescribeStreamConsumerOutput, error) {
	return unlessHanging(ctx, h, "DescribeStreamConsumer", func() (*kinesis.DescribeStreamConsumerOutput, error) { return h.API.DescribeStreamConsumer(ctx, in) })
}

func (h *hanging) Subscribe(ctx context.Context, in *kinesis.SubscribeToShardInput) (kinesis.SubscribeToShardEventStreamReader, error) {
	return unlessHanging(ctx, h, "SubscribeToShard", func() (kinesis.SubscribeToShardEventStreamReader, error) { return h.API.Subscribe(ctx, in) })
}

// Every call has a timeout, after which it is tried again; what an operator sees says so.
func TestCallsHaveTimeouts(t *testing.T) {
	for operation, mode := range map[string]Mode{
		"ListShards": Polling, "GetShardIterator": Polling, "GetRecords": Polling,
		"DescribeStreamSummary": FanOut, "DescribeStreamConsumer": FanOut, "RegisterStreamConsumer": FanOut, "SubscribeToShard": FanOut,
	} {
		t.Run(operation, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				service := kinesistest.New(kinesistest.Options{})
				service.Create("s", 1)
				o := plain(service)
				h := &hanging{API: service, operation: operation}
				h.hangs.Store(true)
				o.API, o.Mode = h, mode
				n := newNode(t, o)
				defer n.halt()
				err := n.discover()
				want := sequence(service, 0, 3)
				time.Sleep(10 * time.Minute)
				if err = errors.Join(err, n.failure()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 30s") {
					t.Error(err)
				}
				h.hangs.Store(false)
				if err := n.discover(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute)
				n.expect(t, want)
			})
		})
	}
}

func TestIteratorsExpireWhileThereIsNoCredit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, nil)
		defer n.halt()
		blocked := make(chan struct{})
		n.credit = func(ctx context.Context) error {
			select {
			case <-blocked:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		want := sequence(service, 0, 5)
		time.Sleep(time.Hour)
		calls := service.Calls("GetRecords")
		time.Sleep(time.Hour)
		if more := service.Calls("GetRecords") - calls; more > 0 {
			t.Errorf("%d calls without credit", more)
		}
		close(blocked)
		want = append(want, sequence(service, 5, 9)...)
		time.Sleep(time.Minute)
		n.expect(t, want)
		if n.failure() != nil {
			t.Error(n.failure())
		}
	})
}

// repeating gives the record of the position again, as an emulator does.
type repeating struct{ API }

func (r repeating) GetShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput, opts ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	if in.ShardIteratorType == types.ShardIteratorTypeAfterSequenceNumber {
		in.ShardIteratorType = types.ShardIteratorTypeAtSequenceNumber
	}
	return r.API.GetShardIterator(ctx, in, opts...)
}

func TestRecordsBeforeThePositionAreRepeats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{IteratorAge: time.Millisecond}, func(o *Options) { o.API = repeating{o.API} })
		defer n.halt()
		want := sequence(service, 0, 3)
		for i := 3; i < 9; i++ {
			time.Sleep(time.Second)
			want = append(want, sequence(service, i, i+1)...)
		}
		time.Sleep(time.Minute)
		n.expect(t, want)
	})
}

func TestQuotasAreKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		quotas := kinesistest.New(kinesistest.Options{Quotas: true})
		quotas.Create("s", 1)
		n := newNode(t, plain(quotas))
		defer n.halt()
		for range 60 {
			time.Sleep(time.Second)
			quotas.Put("s", "k", make([]byte, 500_000))
		}
		began := time.Now()
		if err := n.discover(); err != nil {
			t.Fatal(err)
		}
		for len(n.texts()) < 60 {
			time.Sleep(100 * time.Millisecond)
		}
		took := time.Since(began)
		if took < 10*time.Second || took > 16*time.Second {
			t.Errorf("30 MB took %s, want about 2 MB a second but for the last answer", took)
		}
		time.Sleep(time.Minute)
		if r := n.in.Report()[0]; r.Throttles > 0 {
			t.Errorf("a reader alone was throttled %d times", r.Throttles)
		}
	})
}

func TestSharedQuotasAreSharedAndTakenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, nil)
		defer n.halt()
		time.Sleep(time.Minute)
		per := func(d time.Duration) int {
			before := service.Calls("GetRecords")
			time.Sleep(d)
			return service.Calls("GetRecords") - before
		}
		if calls := per(10 * time.Second); calls < 49 || calls > 51 {
			t.Errorf("%d calls in 10 s alone, want 50", calls)
		}
		service.SetFaults(func(op string, _ any) error {
			return map[bool]error{true: kinesistest.Throttled("s")}[op == "GetRecords"]
		}, nil)
		if calls := per(time.Minute); calls > 20 {
			t.Errorf("%d calls in a minute of refusals", calls)
		}
		service.SetFaults(nil, nil)
		time.Sleep(5 * time.Minute)
		if calls := per(10 * time.Second); calls < 49 || calls > 51 {
			t.Errorf("%d calls in 10 s after the refusals, want 50", calls)
		}
	})
}

func TestLargestRecord(t *testing.T) {
	for _, mode := range []Mode{Polling, FanOut} {
		bubble(t, func(t *testing.T) {
			service, n := start(t, 1, kinesistest.Options{}, func(o *Options) { o.Mode, o.BufferBytes = mode, 1<<20 })
			defer n.halt()
			service.Put("s", "k", []byte("before"))
			service.Put("s", "k", make([]byte, 10<<20-1))
			service.Put("s", "k", []byte("after"))
			time.Sleep(time.Minute)
			got := n.texts()
			if len(got) != 3 || len(got[1]) != 10<<20+1 || got[2] != "k=after" {
				t.Errorf("mode %d: %d records, last error %v", mode, len(got), n.failure())
			}
			if n.batches < 3 {
				t.Errorf("mode %d: %d batches, want the large record alone", mode, n.batches)
			}
		})
	}
}

func TestAShardWithoutCreditLeavesTheMemoryToOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 4, kinesistest.Options{}, func(o *Options) { o.BufferBytes = 1 << 20 })
		defer n.halt()
		free := make(chan struct{})
		var stuck atomic.Value
		n.credit = func(ctx context.Context) error {
			if stuck.Load() == nil {
				return nil
			}
			select {
			case <-free:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		stuck.Store(true)
		for i := range 400 {
			service.Put("s", fmt.Sprint("key", i), make([]byte, 50_000))
		}
		time.Sleep(time.Minute)
		n.in.buffers.mu.Lock()
		left := n.in.buffers.left
		n.in.buffers.mu.Unlock()
		if left <= 0 {
			t.Errorf("shards that wait for credit hold the memory: %d bytes are left", left)
		}
		close(free)
		time.Sleep(10 * time.Minute)
		if got := len(n.texts()); got != 400 {
			t.Errorf("%d records, want 400; last error %v", got, n.failure())
		}
	})
}

func TestListsAreReadPageByPage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service := kinesistest.New(kinesistest.Options{ShardsPerPage: 7})
		service.Create("s", 100)
		service.SetFaults(failing("ListShards", 4, &types.LimitExceededException{}), nil)
		o := plain(service)
		o.CallTimeout = time.Hour
		g := mustOpen(t, o)
		parts, err := g.Partitions(t.Context(), nil)
		if err != nil || len(parts) != 100 {
			t.Fatalf("%d partitions, %v", len(parts), err)
		}
		slow := func(op string, in any) error {
			if op == "ListShards" && in.(*kinesis.ListShardsInput).NextToken != nil {
				time.Sleep(6 * time.Minute)
			}
			return nil
		}
		service.SetFaults(slow, nil)
		var expired *types.ExpiredNextTokenException
		if _, err := g.Partitions(t.Context(), parts); !errors.As(err, &expired) {
			t.Errorf("a list that took too long: %v", err)
		}
		service.SetFaults(nil, nil)
		if again, err := g.Partitions(t.Context(), parts); err != nil || len(again) != 100 {
			t.Errorf("%d partitions, %v", len(again), err)
		}
	})
}

func TestRecordsWithoutSequenceNumberAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := mustOpen(t, plain(kinesistest.New(kinesistest.Options{})))
		r, err := newReader(g, g.streams[0], "x", ingress.Partition{ID: "s/x", Position: []byte{1, 0, 0, 0}}, sinkOf{newNode(t, g.opts), "s/x"})
		if err != nil {
			t.Fatal(err)
		}
		r.hold([]types.Record{{PartitionKey: aws.String("k")}, {PartitionKey: aws.String("k"), SequenceNumber: aws.String("x")}}, 0)
		if err := r.consume(t.Context()); err == nil {
			t.Error("no error")
		}
	})
}

// forgetful is an API whose answers now and then lack the next iterator.
type forgetful struct {
	API
	calls atomic.Int64
}

func (f *forgetful) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	out, err := f.API.GetRecords(ctx, in, opts...)
	if err == nil && f.calls.Add(1)%3 == 0 {
		out.NextShardIterator = nil
	}
	return out, err
}

func TestAnEndIsBelievedOnlyIfTheListAgrees(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, func(o *Options) { o.API = &forgetful{API: o.API} })
		defer n.halt()
		var want []string
		for i := range 20 {
			want = append(want, sequence(service, i, i+1)...)
			time.Sleep(time.Second)
		}
		n.expect(t, want)
		if state := n.in.Report()[0].State; state != ingress.PartitionReading || n.failure() != nil {
			t.Errorf("state %s, %v", state, n.failure())
		}
	})
}
