package sim

import (
	"fmt"

	"github.com/stateway/stateway/runtime/core"
)

// endpoint drives a dispatcher of the core over functions that are played, as faas/endpoint does.
type endpoint struct {
	g          *generation
	id         int
	dispatcher *core.Dispatcher
	out        []core.DispatchEffect
	wake       core.Millis
}

func (g *generation) openEndpoints() {
	for id := range endpoints {
		if id >= ungrouped {
			g.callers = append(g.callers, g.openGroups(id))
			continue
		}
		e := &endpoint{g: g, id: id, dispatcher: core.NewDispatcher(core.DispatcherConfig{
			PoolSize: 4 << g.s.rng.IntN(6), Seed: g.s.rng.Uint64(), Retry: core.Retry{Initial: 3, Max: 80},
		})}
		g.callers = append(g.callers, e)
		e.windows(e.dispatcher.Window())
	}
}

func (e *endpoint) windows(all int) {
	for _, w := range e.g.workers {
		w.window(e.id, max(1, all/len(e.g.workers)))
	}
}

func (e *endpoint) state() string {
	d := e.dispatcher
	return fmt.Sprintf("endpoint: %d flying, %d queued, resting %t, wake %d", d.Flying(), d.Queued(), d.Resting(), d.Wake())
}

func (e *endpoint) submit(inv *core.Invocation) {
	e.step(core.DispatchEvent{Kind: core.DispatchSubmit, Invocation: inv})
}

func (e *endpoint) answered(inv *core.Invocation, o core.Outcome) {
	e.step(core.DispatchEvent{Kind: core.DispatchAnswered, Invocation: inv, Outcome: o})
}

func (e *endpoint) step(ev core.DispatchEvent) {
	tick := core.DispatchEvent{Kind: core.DispatchTick, Now: e.g.p.now()}
	e.out = e.dispatcher.Step(&tick, e.out[:0])
	e.out = e.dispatcher.Step(&ev, e.out)
	for i := range e.out {
		e.perform(&e.out[i])
	}
}

func (e *endpoint) perform(f *core.DispatchEffect) {
	g := e.g
	switch f.Kind {
	case core.DispatchSend:
		e.call(f.Invocation)
	case core.DispatchDeliver:
		r := f.Result
		g.later(g.s.spread(30), func() { g.own(r.Invocation.Try.Worker).put(core.Results{Results: []core.Result{r}}) })
	case core.DispatchWindow:
		e.windows(f.Window)
	case core.DispatchWake:
		e.setWake(f.At)
	}
}

func (e *endpoint) setWake(at core.Millis) {
	e.wake = at
	if at == 0 {
		return
	}
	e.g.later(max(0, int64(at-e.g.p.now())*1000+1000), func() {
		if e.wake == at {
			e.wake = 0
			e.step(core.DispatchEvent{Kind: core.DispatchTick, Now: e.g.p.now()})
		}
	})
}
