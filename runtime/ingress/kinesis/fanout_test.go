package kinesis

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kinesistest"
)

func fanOutOnly(o *Options) { o.Mode = FanOut }

func TestSubscriptionsFollowEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, fanOutOnly)
		defer n.halt()
		var want []string
		for i := range 60 {
			want = append(want, sequence(service, i, i+1)...)
			time.Sleep(30 * time.Second)
		}
		n.expect(t, want)
		if calls := service.Calls("SubscribeToShard"); calls < 6 || calls > 8 {
			t.Errorf("%d subscriptions in 30 minutes, want one every five", calls)
		}
		if calls := service.Calls("GetRecords"); calls > 0 {
			t.Errorf("%d calls of GetRecords", calls)
		}
		if n.failure() != nil {
			t.Error(n.failure())
		}
	})
}

func TestSubscriptionsThatBreak(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, fanOutOnly)
		defer n.halt()
		var want []string
		errs := []error{
			&types.InternalFailureException{}, &types.ResourceInUseException{}, &types.LimitExceededException{}, errors.New("http2: stream closed: EOF"), nil,
		}
		time.Sleep(10 * time.Second)
		for i, err := range errs {
			want = append(want, sequence(service, i, i+1)...)
			service.Break("s", err)
			time.Sleep(2 * time.Minute)
		}
		n.expect(t, want)
		if got := n.in.Report()[0].Throttles; got != 1 {
			t.Errorf("%d throttles, want 1", got)
		}
	})
}

func TestConsumersThatAreDeregisteredComeBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 2, kinesistest.Options{}, fanOutOnly)
		defer n.halt()
		want := sequence(service, 0, 2)
		time.Sleep(time.Minute)
		service.DeregisterConsumer("s", "app")
		want = append(want, sequence(service, 2, 4)...)
		time.Sleep(2 * time.Minute)
		n.expect(t, want)
		if n.failure() != nil {
			t.Error(n.failure())
		}
	})
}

func TestANewNodeTakesTheSubscriptionOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, old := start(t, 1, kinesistest.Options{}, fanOutOnly)
		want := sequence(service, 0, 2)
		time.Sleep(10 * time.Second)
		o := plain(service)
		o.Mode = FanOut
		n := newNode(t, o)
		old.mu.Lock()
		for id, p := range old.parts {
			n.committed[id], n.parts[id] = p, p
		}
		old.mu.Unlock()
		if err := n.discover(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		old.halt()
		defer n.halt()
		more := sequence(service, 2, 4)
		time.Sleep(time.Minute)
		n.expect(t, more)
		old.expect(t, want)
	})
}

// silent is an API whose first subscription brings nothing.
type silent struct {
	API
	first bool
}

type nothing struct {
	never chan types.SubscribeToShardEventStream
}

func (n nothing) Events() <-chan types.SubscribeToShardEventStream { return n.never }
func (nothing) Close() error                                       { return nil }
func (nothing) Err() error                                         { return nil }

func (s *silent) Subscribe(ctx context.Context, in *kinesis.SubscribeToShardInput) (kinesis.SubscribeToShardEventStreamReader, error) {
	if !s.first {
		s.first = true
		return nothing{make(chan types.SubscribeToShardEventStream)}, nil
	}
	return s.API.Subscribe(ctx, in)
}

func TestSilentSubscriptionsAreGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, func(o *Options) { o.Mode, o.API = FanOut, &silent{API: o.API} })
		defer n.halt()
		want := sequence(service, 0, 2)
		time.Sleep(silence - time.Second)
		n.expect(t, nil)
		time.Sleep(10 * time.Second)
		n.expect(t, want)
	})
}

func TestAutoPollsWhereThereIsNoFanOut(t *testing.T) {
	unknown := errors.New("UnknownOperationException")
	for _, tt := range []struct {
		name  string
		fault kinesistest.Fault
		limit int
	}{
		{"too many consumers", nil, 1},
		{"no permission to register", failing("RegisterStreamConsumer", 1<<30, &types.AccessDeniedException{}), 0},
		{"no permission to subscribe", failing("SubscribeToShard", 1<<30, &types.AccessDeniedException{}), 0},
		{"a service without fan-out", failing("DescribeStreamConsumer", 1<<30, unknown), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log bytes.Buffer
				service := kinesistest.New(kinesistest.Options{MaxConsumers: tt.limit})
				service.Create("s", 4)
				if tt.limit > 0 {
					other := plain(service)
					other.ConsumerName = "other"
					g := mustOpen(t, other)
					if _, err := g.register(t.Context(), g.streams[0]); err != nil {
						t.Fatal(err)
					}
				}
				service.SetFaults(tt.fault, nil)
				o := plain(service)
				o.Mode, o.Log = Auto, slog.New(slog.NewTextHandler(&log, nil))
				n := newNode(t, o)
				if err := n.discover(); err != nil {
					t.Fatal(err)
				}
				want := sequence(service, 0, 2)
				time.Sleep(5 * time.Minute)
				n.expect(t, want)
				n.halt()
				if c := strings.Count(log.String(), "read by polling"); c != 1 {
					t.Errorf("logged %d times, want once:\n%s", c, log.String())
				}
				if n.failure() != nil {
					t.Error(n.failure())
				}
			})
		})
	}
}

func TestFanOutThatMustBeSaysWhyItIsNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service := kinesistest.New(kinesistest.Options{MaxConsumers: 1})
		service.Create("s", 1)
		other := plain(service)
		other.ConsumerName = "other"
		g := mustOpen(t, other)
		if _, err := g.register(t.Context(), g.streams[0]); err != nil {
			t.Fatal(err)
		}
		o := plain(service)
		o.Mode = FanOut
		n := newNode(t, o)
		if err := n.discover(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := n.failure(); err == nil || !strings.Contains(err.Error(), "mode: polling") {
			t.Errorf("error %v", err)
		}
		service.DeregisterConsumer("s", "other")
		want := sequence(service, 0, 2)
		time.Sleep(2 * time.Minute)
		n.expect(t, want)
		n.halt()
	})
}

func TestManyShardsShareOneRegistration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 50, kinesistest.Options{}, fanOutOnly)
		defer n.halt()
		time.Sleep(time.Minute)
		if r, d := service.Calls("RegisterStreamConsumer"), service.Calls("DescribeStreamConsumer"); r != 1 || d > 5 {
			t.Errorf("%d registrations, %d descriptions", r, d)
		}
		if states := n.in.Report(); len(states) != 50 || slices.ContainsFunc(n.errs, func(err error) bool { return err != nil }) {
			t.Errorf("%d partitions, errors %v", len(states), n.errs)
		}
	})
}

// Two applications that read a stream with one consumer take each other's subscriptions: both go on, and both say so, once an hour.
func TestTwoApplicationsWithOneConsumer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service := kinesistest.New(kinesistest.Options{})
		service.Create("s", 3)
		var logs [2]bytes.Buffer
		var nodes [2]*node
		for i := range nodes {
			o := plain(service)
			o.Mode, o.Log = FanOut, slog.New(slog.NewTextHandler(&logs[i], nil))
			nodes[i] = newNode(t, o)
			if err := nodes[i].discover(); err != nil {
				t.Fatal(err)
			}
		}
		contested := func(n *node) (reasons int) {
			for _, r := range n.in.Report() {
				if strings.Contains(r.Reason, "consumerName of its own") {
					reasons++
				}
			}
			return reasons
		}
		want := sequence(service, 0, 3)
		time.Sleep(50 * time.Minute)
		for i, n := range nodes {
			n.expect(t, want)
			if c := strings.Count(logs[i].String(), "again and again"); c != 1 || !strings.Contains(logs[i].String(), "consumer/app:") {
				t.Errorf("node %d said %d times that another reader is there:\n%s", i, c, logs[i].String())
			}
			if contested(n) != 3 {
				t.Errorf("node %d reports %+v", i, n.in.Report())
			}
		}
		nodes[1].halt()
		want = append(want, sequence(service, 3, 6)...)
		time.Sleep(2 * contestedFor)
		nodes[0].expect(t, want)
		if contested(nodes[0]) != 0 {
			t.Errorf("what has ended is still reported: %+v", nodes[0].in.Report())
		}
		nodes[0].halt()
	})
}

// A shard that one node takes over from another, or that moves often, is no contest.
func TestTakeoversAreNoContest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		service := kinesistest.New(kinesistest.Options{})
		service.Create("s", 1)
		o := plain(service)
		o.Mode, o.Log = FanOut, slog.New(slog.NewTextHandler(&log, nil))
		var last *node
		for range 8 {
			n := newNode(t, o)
			if err := n.discover(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Second)
			if last != nil {
				last.halt()
			}
			last = n
		}
		last.halt()
		if strings.Contains(log.String(), "again and again") {
			t.Error(log.String())
		}
	})
}
