package ingresstest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateway/stateway/runtime/ingress"
)

// Volatile is a world for an ingress that has no replay. Every test makes a new one, inside a
// testing/synctest bubble, so it must not use real sockets.
type Volatile struct {
	Open func(t *testing.T) ingress.Ingress
	// Send sends one record and returns when the ingress has answered: nil if it says that the record
	// is durable.
	Send func(t *testing.T, in ingress.Ingress) error
	// Patience is how long a record may wait at most before it is answered.
	Patience time.Duration
}

// RunVolatile tests an ingress without replay. setup makes a fresh world.
func RunVolatile(t *testing.T, setup func(t *testing.T) Volatile) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, v Volatile)
	}{
		{"partitions are volatile and stable", testVolatilePartitions},
		{"answered when the checkpoint has committed, not before", testAnswerAfterAck},
		{"a rollback and a stop are failures", testAckFails},
		{"without a read the wait is bounded", testNoRead},
		{"without credit the wait is bounded", testNoCredit},
		{"without a checkpoint the wait is bounded", testNoCommit},
		{"a read that ends fails what was not taken and leaves what was", testReadEnds},
		{"close fails what waits", testCloseFails},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := setup(t)
				test.run(t, v)
			})
		})
	}
}

// gate is a Sink that keeps what it takes; closed for credit while shut.
type gate struct {
	mu    sync.Mutex
	shut  bool
	taken []ingress.Batch
}

func (g *gate) Put(ctx context.Context, b ingress.Batch) error {
	g.mu.Lock()
	shut := g.shut
	if !shut {
		g.taken = append(g.taken, b)
	}
	g.mu.Unlock()
	if !shut {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// ack acknowledges all that was taken and returns how many that was.
func (g *gate) ack(err error) int {
	g.mu.Lock()
	taken := g.taken
	g.taken = nil
	g.mu.Unlock()
	for _, b := range taken {
		b.Ack(err)
	}
	return len(taken)
}

// serve opens the ingress and reads all partitions into s until stop, which waits for the reads.
func (v Volatile) serve(t *testing.T, s ingress.Sink) (in ingress.Ingress, stop func()) {
	t.Helper()
	in = v.Open(t)
	parts, err := in.Partitions(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var reads sync.WaitGroup
	for _, p := range parts {
		reads.Go(func() {
			if err := in.Read(ctx, p, s); !errors.Is(err, context.Canceled) {
				t.Errorf("read %s: %v", p.ID, err)
			}
		})
	}
	synctest.Wait()
	return in, func() { cancel(); reads.Wait() }
}

func shut(t *testing.T, in ingress.Ingress) {
	t.Helper()
	if err := in.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// send sends in the background.
func (v Volatile) send(t *testing.T, in ingress.Ingress) chan error {
	answer := make(chan error, 1)
	go func() { answer <- v.Send(t, in) }()
	synctest.Wait()
	return answer
}

func unanswered(t *testing.T, answer chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-answer:
		t.Fatalf("answered too early: %v", err)
	default:
	}
}

func testVolatilePartitions(t *testing.T, v Volatile) {
	in := v.Open(t)
	defer shut(t, in)
	for range 2 {
		parts, err := in.Partitions(t.Context(), nil)
		if err != nil || len(parts) == 0 {
			t.Fatalf("%d partitions, %v", len(parts), err)
		}
		for _, p := range parts {
			if p.ID == "" || p.Position != nil || p.Ended || !p.Volatile {
				t.Errorf("bad partition %+v", p)
			}
		}
	}
	if err := in.Read(t.Context(), ingress.Partition{ID: "no such"}, &gate{}); err == nil {
		t.Error("an unknown partition was read")
	}
}

func testAnswerAfterAck(t *testing.T, v Volatile) {
	var g gate
	in, stop := v.serve(t, &g)
	defer shut(t, in)
	defer stop()
	one, two := v.send(t, in), v.send(t, in)
	unanswered(t, one)
	unanswered(t, two)
	for _, b := range g.taken {
		if len(b.Messages) == 0 || b.Position != nil {
			t.Errorf("bad batch %+v", b)
		}
	}
	if g.ack(nil) == 0 {
		t.Fatal("nothing was put")
	}
	for _, answer := range []chan error{one, two} {
		if err := <-answer; err != nil {
			t.Errorf("answer: %v", err)
		}
	}
}

func testAckFails(t *testing.T, v Volatile) {
	for _, cause := range []error{ingress.ErrRolledBack, ingress.ErrStopped} {
		var g gate
		in, stop := v.serve(t, &g)
		answer := v.send(t, in)
		g.ack(cause)
		if err := <-answer; err == nil {
			t.Errorf("%v was answered as a success", cause)
		}
		stop()
		shut(t, in)
	}
}

func testNoRead(t *testing.T, v Volatile) {
	in := v.Open(t)
	defer shut(t, in)
	v.fails(t, v.send(t, in))
}

func testNoCredit(t *testing.T, v Volatile) {
	g := gate{shut: true}
	in, stop := v.serve(t, &g)
	defer shut(t, in)
	defer stop()
	v.fails(t, v.send(t, in))
}

func testNoCommit(t *testing.T, v Volatile) {
	var g gate
	in, stop := v.serve(t, &g)
	defer shut(t, in)
	defer stop()
	v.fails(t, v.send(t, in))
	g.ack(nil) // late, and nobody waits: must not block
}

// fails checks that a failure comes within Patience.
func (v Volatile) fails(t *testing.T, answer chan error) {
	t.Helper()
	select {
	case err := <-answer:
		if err == nil {
			t.Error("answered as a success")
		}
	case <-time.After(v.Patience):
		t.Fatalf("no answer within %s", v.Patience)
	}
}

func testReadEnds(t *testing.T, v Volatile) {
	var g gate
	in, stop := v.serve(t, &g)
	defer shut(t, in)
	taken := v.send(t, in)
	g.mu.Lock()
	g.shut = true
	g.mu.Unlock()
	refused := v.send(t, in)
	stop()
	if err := <-refused; err == nil {
		t.Error("what was not taken was answered as a success")
	}
	unanswered(t, taken)
	g.ack(nil)
	if err := <-taken; err != nil {
		t.Errorf("what was taken and committed: %v", err)
	}
}

func testCloseFails(t *testing.T, v Volatile) {
	var g gate
	in, stop := v.serve(t, &g)
	answer := v.send(t, in)
	unanswered(t, answer)
	stop()
	for range 2 {
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-answer; err == nil {
		t.Error("answered as a success")
	}
	g.ack(ingress.ErrStopped)
}
