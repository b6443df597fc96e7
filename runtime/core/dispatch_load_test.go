package core_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stateway/stateway/runtime/core"
)

// endpointModel answers tries after a latency that depends on how many are under way.
type endpointModel struct {
	d       *core.Dispatcher
	latency func(flying int) core.Millis
	now     core.Millis
	due     map[core.Millis][]*core.Invocation
	flying  int
	done    int
	out     []core.DispatchEffect
}

func newEndpointModel(pool int, latency func(int) core.Millis) *endpointModel {
	return &endpointModel{
		d: core.NewDispatcher(core.DispatcherConfig{PoolSize: pool}), latency: latency, now: 1,
		due: make(map[core.Millis][]*core.Invocation),
	}
}

func (m *endpointModel) step(ev core.DispatchEvent) {
	m.out = m.d.Step(&ev, m.out[:0])
	for i := range m.out {
		switch e := &m.out[i]; e.Kind {
		case core.DispatchSend:
			m.flying++
			at := m.now + max(m.latency(m.flying), 1)
			m.due[at] = append(m.due[at], e.Invocation)
		case core.DispatchDeliver:
			m.done++
		}
	}
}

// run keeps the window full for a time.
func (m *endpointModel) run(d core.Millis) {
	for end := m.now + d; m.now < end; m.now++ {
		m.step(core.DispatchEvent{Kind: core.DispatchTick, Now: m.now})
		for _, inv := range m.due[m.now] {
			m.flying--
			m.step(core.DispatchEvent{Kind: core.DispatchAnswered, Invocation: inv})
		}
		delete(m.due, m.now)
		for m.d.Queued()+m.d.Flying() < m.d.Window() {
			m.step(core.DispatchEvent{Kind: core.DispatchSubmit, Invocation: &core.Invocation{}})
		}
	}
}

func TestLimitReachesThePoolForSlowFunctions(t *testing.T) {
	for _, latency := range []core.Millis{5, 300} {
		pool := 128 * int(latency) / 5 // so that both have as many answers
		pool = min(pool, 1024)
		m := newEndpointModel(pool, func(int) core.Millis { return latency })
		m.run(100*latency + 100)
		if m.d.Limit() != pool {
			t.Errorf("latency %d ms: limit %d, want the pool's %d", latency, m.d.Limit(), pool)
		}
		m.run(61_000 + 10*latency)
		if m.d.Limit() < pool/2 {
			t.Errorf("latency %d ms, two minutes later: limit %d", latency, m.d.Limit())
		}
	}
}

func TestLimitStaysNearWhatAnOverloadedServerCanDo(t *testing.T) {
	// 100 at a time take 20 ms; more wait in line.
	m := newEndpointModel(1024, func(flying int) core.Millis { return core.Millis(20 * max(flying, 100) / 100) })
	m.run(200_000)
	if l := m.d.Limit(); l < 80 || l > 350 {
		t.Errorf("limit %d, want about 100 to 300", l)
	}
	if perSecond := m.done / 200; perSecond < 4000 {
		t.Errorf("%d answers/s, want nearly 5000", perSecond)
	}
}

func TestLimitFollowsALatencyThatChanges(t *testing.T) {
	latency := core.Millis(5)
	m := newEndpointModel(128, func(int) core.Millis { return latency })
	m.run(10_000)
	latency = 100
	m.run(60_000)
	if m.d.Limit() != 128 {
		t.Errorf("limit %d after the function became slower, want 128", m.d.Limit())
	}
}

// TestDispatchDeliversEachInvocationOnce drives a dispatcher with random outcomes and checks what always holds.
func TestDispatchDeliversEachInvocationOnce(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		d := core.NewDispatcher(core.DispatcherConfig{PoolSize: 1 + random.IntN(20), Seed: seed})
		state := make(map[*core.Invocation]string)
		var flying []*core.Invocation
		now, wake := core.Millis(1), core.Millis(0)
		var out []core.DispatchEffect
		step := func(ev core.DispatchEvent) {
			out = d.Step(&ev, out[:0])
			if ev.Kind == core.DispatchAnswered {
				state[ev.Invocation] = "queued" // unless it is delivered
			}
			for i := range out {
				switch e := &out[i]; e.Kind {
				case core.DispatchSend:
					if state[e.Invocation] != "queued" {
						t.Fatalf("seed %d: sent while %s", seed, state[e.Invocation])
					}
					state[e.Invocation] = "flying"
					flying = append(flying, e.Invocation)
				case core.DispatchDeliver:
					if state[e.Result.Invocation] != "queued" || e.Result.Outcome.Class == core.OutcomeTrouble {
						t.Fatalf("seed %d: %s delivered while %s", seed, e.Result.Outcome.Class, state[e.Result.Invocation])
					}
					state[e.Result.Invocation] = "delivered"
				case core.DispatchWake:
					wake = e.At
				}
			}
		}
		healthy := false
		for i := range 4000 {
			healthy = i > 3000 || (healthy != (random.IntN(200) == 0))
			switch n := random.IntN(3); {
			case n == 0 && i < 3000:
				inv := &core.Invocation{Target: core.Address{Type: "f/n", ID: strconv.Itoa(i)}}
				state[inv] = "queued"
				step(core.DispatchEvent{Kind: core.DispatchSubmit, Invocation: inv})
			case n == 1 && len(flying) > 0:
				k := random.IntN(len(flying))
				inv := flying[k]
				flying[k] = flying[len(flying)-1]
				flying = flying[:len(flying)-1]
				o := core.Outcome{Class: core.OutcomeClass(random.IntN(3))} //nolint:gosec // below three
				if healthy {
					o.Class = core.OutcomeOK
				}
				o.RetryAfter = core.Millis(random.IntN(50))
				step(core.DispatchEvent{Kind: core.DispatchAnswered, Invocation: inv, Outcome: o})
			default:
				now += core.Millis(random.IntN(30))
				step(core.DispatchEvent{Kind: core.DispatchTick, Now: now})
			}
		}
		for guard := 0; guard < 100_000 && (len(flying) > 0 || d.Queued() > 0); guard++ {
			if len(flying) == 0 {
				if wake == 0 {
					t.Fatalf("seed %d: %d queued, none under way and no wake", seed, d.Queued())
				}
				now = max(now, wake)
				step(core.DispatchEvent{Kind: core.DispatchTick, Now: now})
				continue
			}
			inv := flying[0]
			flying = flying[1:]
			step(core.DispatchEvent{Kind: core.DispatchAnswered, Invocation: inv})
		}
		for _, s := range state {
			if s != "delivered" {
				t.Fatalf("seed %d: an invocation stays %s", seed, s)
			}
		}
	}
}

func BenchmarkDispatch(b *testing.B) {
	d := core.NewDispatcher(core.DispatcherConfig{})
	invs := make([]*core.Invocation, 256)
	for i := range invs {
		invs[i] = &core.Invocation{Target: core.Address{Type: "f/n", ID: strconv.Itoa(i)}}
	}
	var out []core.DispatchEffect
	var pending []*core.Invocation
	for i := range 64 {
		out = d.Step(&core.DispatchEvent{Kind: core.DispatchSubmit, Invocation: invs[i]}, out[:0])
	}
	pending = append(pending, invs[:64]...)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		p := &pending[i%64]
		ev := core.DispatchEvent{Kind: core.DispatchAnswered, Invocation: *p}
		out = d.Step(&ev, out[:0])
		*p = invs[(i+64)%256]
		ev = core.DispatchEvent{Kind: core.DispatchSubmit, Invocation: *p}
		out = d.Step(&ev, out[:0])
		i++
	}
	b.ReportMetric(1e9/float64(b.Elapsed().Nanoseconds())*float64(b.N), "invocations/s")
}
