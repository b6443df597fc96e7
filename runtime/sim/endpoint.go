package sim

import "github.com/stateway/stateway/runtime/core"

// endpoint drives a dispatcher of the core over functions that are played, as faas/endpoint does.
type endpoint struct {
	g          *generation
	dispatcher *core.Dispatcher
	out        []core.DispatchEffect
	wake       core.Millis
}

func (g *generation) openEndpoints() {
	for id := range endpoints {
		e := &endpoint{g: g, dispatcher: core.NewDispatcher(core.DispatcherConfig{
			PoolSize: 4 << g.s.rng.IntN(6), Seed: g.s.rng.Uint64(), Retry: core.Retry{Initial: 3, Max: 80},
		})}
		g.endpoints = append(g.endpoints, e)
		e.windows(id, e.dispatcher.Window())
	}
}

func (e *endpoint) windows(id, all int) {
	for _, w := range e.g.workers {
		w.window(id, max(1, all/len(e.g.workers)))
	}
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
		g.call(f.Invocation)
	case core.DispatchDeliver:
		r := f.Result
		g.later(g.s.spread(30), func() { g.own(r.Invocation.Try.Worker).put(core.Results{Results: []core.Result{r}}) })
	case core.DispatchWindow:
		for id := range g.endpoints {
			if g.endpoints[id] == e {
				e.windows(id, f.Window)
			}
		}
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
