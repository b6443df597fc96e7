package sim

import (
	"github.com/stateway/stateway/runtime/core"
)

// worker runs one worker of the core.
type worker struct {
	g       *generation
	id      core.WorkerID
	core    *core.Worker
	inbox   []core.Event
	due     bool // a run is in the queue
	now     core.Millis
	alarm   core.Millis // of the last Alarm
	spilled bool
	learned [endpoints]bool // what the functions declare, in this generation
	told    int64           // when the last of tell's events arrives
	out     []core.Effect
}

func (w *worker) put(ev core.Event) {
	w.inbox = append(w.inbox, ev)
	w.wake(w.g.s.spread(40))
}

// tell puts what the coordinator says, in order, but not at all workers at once.
func (w *worker) tell(ev core.Event) {
	w.told = max(w.told, w.g.s.now+w.g.s.spread(100))
	w.g.later(w.told-w.g.s.now, func() { w.put(ev) })
}

// poke steps the worker, for its clock may have jumped.
func (w *worker) poke() { w.wake(w.g.s.spread(40)) }

func (w *worker) wake(pause int64) {
	if w.due {
		return
	}
	w.due = true
	if w.g.s.faulty(w.g.s.profile.workerStalled) {
		w.g.s.count(WorkerStalled)
		pause = w.g.s.spread(10_000)
	}
	w.g.later(pause, w.run)
}

// run takes some of the events, in order.
func (w *worker) run() {
	w.due = false
	n := len(w.inbox)
	if n > 1 && w.g.s.chance(0.3) {
		n = 1 + w.g.s.rng.IntN(n)
	}
	events := w.inbox[:n:n]
	w.inbox = w.inbox[n:]
	if now := w.g.p.now(); now > w.now {
		w.now = now
		w.step(core.Tick{Now: now})
	}
	for _, ev := range events {
		if w.g.over {
			return
		}
		w.step(ev)
	}
	if len(w.inbox) > 0 {
		w.wake(w.g.s.spread(20))
	}
}

func (w *worker) step(ev core.Event) {
	s := w.g.s
	s.model.before(w, ev)
	w.out = w.core.Step(ev, w.out[:0])
	invoked := false
	for i, e := range w.out {
		if inv, ok := e.(*core.Invocation); ok {
			s.model.started(w, inv)
			invoked = true
		}
		w.perform(e)
		w.out[i] = nil
		if w.g.over {
			return
		}
	}
	w.checkBudgets(invoked)
}

// checkBudgets: a worker over its budget starts nothing, or one thing at a time.
func (w *worker) checkBudgets(invoked bool) {
	s := w.g.s
	gs := w.core.Gauges()
	if spilled := gs.DiskBytes > 0; spilled != w.spilled {
		w.spilled = spilled
		s.counts[Spilled]++
	}
	if gs.MailBytes < 0 || gs.OverlayBytes < 0 || gs.OutboxBytes < 0 || gs.CacheBytes < 0 || gs.InFlight < 0 {
		s.fail("worker %d: a gauge is below zero: %+v", w.id, gs)
	}
	const slack = 4 << 10 // rows of accesses that are renewed
	quarter := s.profile.memory / 4
	alone := gs.MailBytes <= quarter || gs.InFlight <= 1 // too much mail shrinks by one invocation after the other
	if invoked && (!alone || gs.OverlayBytes > quarter+slack || gs.OutboxBytes > quarter) {
		s.fail("worker %d started an invocation over its budget of %d: %+v", w.id, quarter, gs)
	}
}

// perform does what an effect asks for, as runtime/node does.
func (w *worker) perform(e core.Effect) {
	g := w.g
	switch e := e.(type) {
	case *core.Invocation:
		g.s.active = g.s.now
		g.callers[e.Endpoint].submit(e)
	case *core.Frame:
		if to := g.own(e.To); to != nil {
			to.put(e)
			return
		}
		g.toNode(int(e.To)/g.s.profile.workers, false, func(g *generation) { g.own(e.To).put(e) })
	case core.Emit:
		g.emit(w, e)
	case core.EmitEnd:
		g.emitEnd(w, e.Checkpoint)
	case core.Accepted:
		g.toWorker(e.Request.Worker, func(w *worker) { w.g.acks.accepted(e) })
	case core.Credit:
		g.toWorker(g.plan.reader(e.Partition), func(w *worker) { w.g.credit(e) })
	case core.Want:
		g.toLeader(func(c *coordinator) { c.put(core.Wanted(e)) })
	case core.Alarm:
		w.setAlarm(e.At)
	case core.EpochEnded:
		g.epochEnded(e.Epoch)
	case core.Part:
		g.part(e)
	case core.Apply:
		g.apply(e.Overlay)
	default:
		w.performRare(e)
	}
}

func (w *worker) performRare(e core.Effect) {
	g := w.g
	switch e := e.(type) {
	case core.Halted:
		if g.halted++; g.halted == len(g.workers) {
			node := int(g.node)
			g.toLeader(func(c *coordinator) { c.nodeHalted(node) })
		}
	case core.Broken:
		g.s.fail("worker %d of generation %d is broken: %s", w.id, g.id, e.Reason)
	case core.Note:
	case core.OperatorDone:
		g.s.model.drops.done(g, e)
	case core.Redriven:
		g.s.model.redrives.done(g, e)
	case core.Inspected:
		w.operate(e)
	default:
		g.read(w, e)
	}
}

// setAlarm has the worker step at a time of its clock.
func (w *worker) setAlarm(at core.Millis) {
	w.alarm = at
	s := w.g.s
	wait := int64(at)*1000 - (start + s.now + s.jumped - w.g.p.skew)
	w.g.later(max(0, wait), func() {
		if w.alarm == at {
			w.alarm = 0
			w.poke()
		}
	})
}

// window changes how many tries of an endpoint may be under way.
func (w *worker) window(endpoint, limit int) {
	w.put(core.Window{Endpoint: core.EndpointID(endpoint), Limit: limit}) //nolint:gosec // small
}

const operatorEvery = 2_000_000 // µs

// operate lets held Addresses go on, as an operator would: their messages are tried again, or dropped. Dead letters are put back.
func (s *Sim) operate() {
	s.after(operatorEvery, s.operate)
	for _, m := range s.machines {
		if m.proc == nil || m.proc.gen == nil {
			continue
		}
		for _, w := range m.proc.gen.workers {
			w.put(core.Inspect{Limit: 100})
		}
		m.proc.gen.redrive()
	}
}

func (w *worker) operate(e core.Inspected) {
	for _, a := range e.Addresses {
		if a.Status != "held" {
			continue
		}
		w.g.s.count(AddressHeld)
		w.g.s.active = w.g.s.now
		if d, ok := w.g.s.model.drop(w.g, a.Address); ok {
			w.put(d)
			continue
		}
		w.put(core.Resume{Address: a.Address})
	}
}
