package endpoint_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stateway/stateway/faas/embedded"
	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/runtime/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func now() core.Millis { return core.Millis(time.Now().UnixMilli()) }

func invocation(id string) *core.Invocation {
	return &core.Invocation{Target: core.Address{Type: "f/n", ID: id}}
}

// start runs f behind an endpoint.
func start(t testing.TB, f embedded.Func) (*endpoint.Endpoint, chan core.Result, *atomic.Int64) {
	t.Helper()
	results := make(chan core.Result, 100_000)
	window := new(atomic.Int64)
	e, err := endpoint.New(endpoint.Config{
		Now:    now,
		Window: func(n int) { window.Store(int64(n)) },
		Deliver: func(rs []core.Result) {
			for _, r := range rs {
				results <- r
			}
		},
	}, func(done func([]core.Result)) (endpoint.Transport, error) {
		return embedded.New(embedded.Config{Function: f}, done)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e, results, window
}

func TestTroubleIsTriedAgainUntilItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		began := time.Now()
		e, results, window := start(t, func(context.Context, *core.Invocation) core.Outcome {
			tries.Add(1)
			if time.Since(began) < time.Hour {
				return core.Outcome{Class: core.OutcomeTrouble, Reason: "connection refused"}
			}
			return core.Outcome{Response: &core.Response{}}
		})
		if window.Load() != 128 {
			t.Errorf("first window %d, want 128", window.Load())
		}
		var invs []*core.Invocation
		for i := range 100 {
			invs = append(invs, invocation(strconv.Itoa(i)))
		}
		e.Submit(invs)
		time.Sleep(30 * time.Minute)
		if s := e.Stats(); !s.Resting || s.Queued == 0 {
			t.Errorf("half an hour down: %+v", s)
		}
		for range 100 {
			if r := <-results; r.Outcome.Class != core.OutcomeOK {
				t.Fatalf("got %+v", r.Outcome)
			}
		}
		if d := time.Since(began); d > time.Hour+2*time.Minute {
			t.Errorf("back after %v", d)
		}
		if n := tries.Load(); n > 1000 {
			t.Errorf("%d tries: the endpoint had no rest", n)
		}
	})
}

func TestForgottenInvocationsAreNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e, results, _ := start(t, func(context.Context, *core.Invocation) core.Outcome {
			<-release
			return core.Outcome{Response: &core.Response{}}
		})
		old := invocation("old")
		young := invocation("new")
		young.Try.Generation = 2
		e.Submit([]*core.Invocation{old})
		synctest.Wait()
		e.Forget(2)
		e.Submit([]*core.Invocation{young})
		close(release)
		if r := <-results; r.Invocation != young {
			t.Errorf("got %s", r.Invocation.Target)
		}
		synctest.Wait()
		if len(results) > 0 {
			t.Error("a forgotten invocation was delivered")
		}
	})
}

func TestEverythingSubmittedIsDelivered(t *testing.T) {
	const workers, each = 4, 5000
	var n atomic.Int32
	e, results, _ := start(t, func(_ context.Context, inv *core.Invocation) core.Outcome {
		if n.Add(1)%7 == 0 {
			return core.Outcome{Class: core.OutcomeFailed, Reason: "seven"}
		}
		return core.Outcome{Response: &core.Response{}}
	})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				e.Submit([]*core.Invocation{invocation(strconv.Itoa(w) + "-" + strconv.Itoa(i))})
			}
		})
	}
	seen := make(map[string]bool)
	for range workers * each {
		r := <-results
		if seen[r.Invocation.Target.ID] {
			t.Fatalf("%s was delivered twice", r.Invocation.Target)
		}
		seen[r.Invocation.Target.ID] = true
	}
	wg.Wait()
}

func TestATransportThatDoesNotOpen(t *testing.T) {
	want := errors.New("no such file")
	_, err := endpoint.New(endpoint.Config{}, func(func([]core.Result)) (endpoint.Transport, error) { return nil, want })
	if !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

func TestCloseWhileBusy(t *testing.T) {
	e, _, _ := start(t, func(context.Context, *core.Invocation) core.Outcome { return core.Outcome{Response: &core.Response{}} })
	for i := range 1000 {
		e.Submit([]*core.Invocation{invocation(strconv.Itoa(i))})
	}
	e.Close()
	e.Submit([]*core.Invocation{invocation("late")})
	e.Forget(9)
}

func BenchmarkEndpoint(b *testing.B) {
	response := &core.Response{}
	left, open := b.N, 0
	finished := make(chan struct{})
	next := make([]*core.Invocation, 0, 1024)
	var e *endpoint.Endpoint
	e, err := endpoint.New(endpoint.Config{
		Now: now, Window: func(int) {}, Dispatcher: core.DispatcherConfig{PoolSize: 1024},
		Deliver: func(rs []core.Result) {
			next = next[:0]
			for i := range rs {
				if left > 0 {
					left--
					next = append(next, rs[i].Invocation)
				} else if open--; open == 0 {
					close(finished)
				}
			}
			e.Submit(next)
		},
	}, func(done func([]core.Result)) (endpoint.Transport, error) {
		return embedded.New(embedded.Config{Function: embedded.Func(func(context.Context, *core.Invocation) core.Outcome {
			return core.Outcome{Response: response}
		})}, done)
	})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	var first []*core.Invocation
	for range min(256, b.N) {
		left--
		open++
		first = append(first, invocation("Kim"))
	}
	b.ReportAllocs()
	b.ResetTimer()
	e.Submit(first)
	<-finished
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "invocations/s")
}
