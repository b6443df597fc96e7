package embedded_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stateway/stateway/faas/embedded"
	"github.com/stateway/stateway/runtime/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func invocation(id string) *core.Invocation {
	return &core.Invocation{Target: core.Address{Type: "f/n", ID: id}, Messages: []*core.Message{{Arg: core.Value{0x10, 1}}}}
}

func start(t testing.TB, cfg embedded.Config) (*embedded.Pool, chan core.Result) {
	t.Helper()
	results := make(chan core.Result, 10_000)
	p, err := embedded.New(cfg, func(rs []core.Result) {
		for _, r := range rs {
			results <- r
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, results
}

func ok(context.Context, *core.Invocation) core.Outcome {
	return core.Outcome{Response: &core.Response{}}
}

func TestWhatAFunctionDoesWrongIsItsInvocationsFailure(t *testing.T) {
	response := func(r *core.Response) embedded.Function {
		return embedded.Func(func(context.Context, *core.Invocation) core.Outcome { return core.Outcome{Response: r} })
	}
	answer := func(b []byte, err error) embedded.Function {
		return embedded.Bytes(func(context.Context, []byte) ([]byte, error) { return b, err })
	}
	tests := []struct {
		name string
		f    embedded.Function
		want string // part of the reason; empty for success
	}{
		{"a response", embedded.Func(ok), ""},
		{"no effects", answer(nil, nil), ""},
		{"a panic", embedded.Func(func(context.Context, *core.Invocation) core.Outcome { panic("ouch") }), "panicked: ouch"},
		{"an end of the goroutine", embedded.Func(func(context.Context, *core.Invocation) core.Outcome { runtime.Goexit(); panic(0) }), "ended its goroutine"},
		{"no response", response(nil), "no response"},
		{"a cancellation without token", response(&core.Response{Delayed: []core.Delayed{{Cancel: true}}}), "without a token"},
		{"a negative delay", response(&core.Response{Delayed: []core.Delayed{{Delay: -1}}}), "negative delay"},
		{"a message to nobody", response(&core.Response{Messages: []core.Outgoing{{}}}), "no function as its target"},
		{"a message to a name that no module can give", response(&core.Response{Messages: []core.Outgoing{{Target: core.Address{Type: "a/b/c"}}}}), "no function as its target"},
		{"a message to an id that is no text", response(&core.Response{Messages: []core.Outgoing{{Target: core.Address{Type: "a/b", ID: "\xff"}}}}), "no function as its target"},
		{"a token that is no text", response(&core.Response{Delayed: []core.Delayed{{Cancel: true, Token: "\xff"}}}), "not UTF-8"},
		{"a record for nobody", response(&core.Response{Egresses: []core.EgressRecord{{Egress: "a/b/c"}}}), "has no egress"},
		{"a change of a state that is no text", response(&core.Response{Mutations: []core.Mutation{{Name: "\xff"}}}), "no state name"},
		{"a state of a type that is none", response(&core.Response{Incomplete: true, Missing: []core.StateSpec{{Name: "a", Typename: "t"}}}), "no valid state"},
		{"states missing, but none named", response(&core.Response{Incomplete: true}), "names none"},
		{"an error", answer(nil, errors.New("no such function")), "no such function"},
		{"bytes that are no answer", answer([]byte("x"), nil), "not a FromFunction"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, results := start(t, embedded.Config{Function: tt.f})
			for range 3 { // and it does not hurt the next one
				inv := invocation("Kim")
				p.Send([]*core.Invocation{inv})
				r := <-results
				wantClass := core.OutcomeFailed
				if tt.want == "" {
					wantClass = core.OutcomeOK
				}
				if r.Invocation != inv || r.Outcome.Class != wantClass || !strings.Contains(r.Outcome.Reason, tt.want) {
					t.Errorf("got %+v, want %v with %q", r.Outcome, wantClass, tt.want)
				}
			}
		})
	}
	if _, err := embedded.New(embedded.Config{}, nil); err == nil {
		t.Error("a Config without a function was accepted")
	}
}

func TestFunctionsThatWaitDelayNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p, results := start(t, embedded.Config{Runners: 2, Function: embedded.Func(func(ctx context.Context, inv *core.Invocation) core.Outcome {
			if strings.HasPrefix(inv.Target.ID, "slow") {
				<-release
			}
			return ok(ctx, inv)
		})})
		var invs []*core.Invocation
		for i := range 300 {
			id := strconv.Itoa(i)
			if i%10 == 0 {
				id = "slow" + id
			}
			invs = append(invs, invocation(id))
		}
		began := time.Now()
		p.Send(invs)
		for range 270 {
			if r := <-results; strings.HasPrefix(r.Invocation.Target.ID, "slow") {
				t.Error("a waiting function has answered")
			}
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("the others took %v", d)
		}
		close(release)
		for range 30 {
			<-results
		}
	})
}

func TestAnOverdueTryIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, embedded.Config{Call: time.Minute, Function: embedded.Func(func(ctx context.Context, inv *core.Invocation) core.Outcome {
			if inv.Target.ID == "hangs" {
				<-ctx.Done()
			}
			return ok(ctx, inv)
		})})
		hanging := invocation("hangs")
		p.Send([]*core.Invocation{hanging})
		if r := <-results; r.Invocation != hanging || r.Outcome.Class != core.OutcomeFailed || !strings.Contains(r.Outcome.Reason, "call budget of 1m0s") {
			t.Errorf("got %+v", r.Outcome)
		}
		hanging.Budget = 500
		began := time.Now()
		p.Send([]*core.Invocation{hanging})
		if r := <-results; r.Outcome.Class != core.OutcomeFailed || time.Since(began) > time.Second {
			t.Errorf("got %+v after %v", r.Outcome, time.Since(began))
		}
		p.Send([]*core.Invocation{invocation("fine")})
		if r := <-results; r.Outcome.Class != core.OutcomeOK {
			t.Errorf("got %+v", r.Outcome)
		}
		synctest.Wait()
		if len(results) > 0 {
			t.Error("a given-up try was answered twice")
		}
	})
}

func TestCloseEndsFunctionsAndDropsTheRest(t *testing.T) {
	var begun atomic.Int32
	p, results := start(t, embedded.Config{Function: embedded.Func(func(ctx context.Context, inv *core.Invocation) core.Outcome {
		begun.Add(1)
		<-ctx.Done()
		return ok(ctx, inv)
	})})
	p.Send([]*core.Invocation{invocation("a"), invocation("b")})
	for begun.Load() == 0 {
		runtime.Gosched()
	}
	p.Close()
	p.Send([]*core.Invocation{invocation("late")})
	if len(results) > 0 {
		t.Error("a result came after Close")
	}
}

func BenchmarkTrivialFunction(b *testing.B) {
	response := &core.Response{}
	benchmark(b, embedded.Func(func(context.Context, *core.Invocation) core.Outcome { return core.Outcome{Response: response} }))
}

func BenchmarkBytes(b *testing.B) {
	benchmark(b, embedded.Bytes(func(context.Context, []byte) ([]byte, error) { return nil, nil }))
}

func benchmark(b *testing.B, f embedded.Function) {
	const batch = 256
	var mu sync.Mutex
	left, open := b.N, 0
	finished := make(chan struct{})
	var p *embedded.Pool
	next := make([]*core.Invocation, 0, batch)
	p, err := embedded.New(embedded.Config{Function: f}, func(rs []core.Result) {
		mu.Lock()
		defer mu.Unlock()
		next = next[:0]
		for i := range rs {
			if left > 0 {
				left--
				next = append(next, rs[i].Invocation)
			} else if open--; open == 0 {
				close(finished)
			}
		}
		p.Send(next)
	})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	b.ReportAllocs()
	b.ResetTimer()
	mu.Lock()
	var first []*core.Invocation
	for range min(4*batch, b.N) {
		left--
		open++
		first = append(first, invocation("Kim"))
	}
	mu.Unlock()
	p.Send(first)
	<-finished
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "invocations/s")
}
