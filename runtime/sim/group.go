package sim

import (
	"fmt"

	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/runtime/core"
)

// caller takes the invocations of an endpoint to its functions.
type caller interface {
	submit(inv *core.Invocation)
	// state says what is under way, for an operator.
	state() string
}

// grouped drives a dispatcher of groups of the core over a server that is played, as faas/endpoint does: it steps all events that have
// come, and then sends. One may outlive its generation, which is then forgotten.
type grouped struct {
	s          *Sim
	p          *process
	id         int         // of the endpoint
	g          *generation // the last one that it works for
	closed     bool
	cfg        core.GroupDispatcherConfig
	dispatcher *core.GroupDispatcher
	check      groupCheck
	events     []core.GroupEvent
	out        []core.GroupEffect
	due        bool // a step is in the queue
	wake       core.Millis
	serving    int // groups at the server, those included that nobody waits for
	together   int // items that the server has announced
	match      group.Match
	older      []string // ids of tries that went through
}

// openGroups gives a generation an endpoint that takes groups: the process's, which then forgets what was before, or a new one.
func (g *generation) openGroups(id int) *grouped {
	e := g.p.groups[id]
	if e != nil && g.s.chance(0.5) {
		e.g = g
		st := e.dispatcher.Stats()
		g.s.countIf(st.Flying+st.Queued > 0, GroupsForgotten)
		e.step(core.GroupEvent{Kind: core.GroupForget, Generation: g.id})
		e.windows(e.dispatcher.Window())
		return e
	}
	if e != nil {
		e.closed = true
	}
	e = &grouped{s: g.s, p: g.p, id: id, g: g, cfg: g.s.groupConfig(id)}
	e.check = groupCheck{e: e, items: map[*core.Invocation]*item{}, together: e.cfg.StartItems}
	e.dispatcher = core.NewGroupDispatcher(e.cfg)
	g.p.groups[id] = e
	e.windows(e.dispatcher.Window())
	return e
}

// groupConfig draws how groups are formed and sent.
func (s *Sim) groupConfig(id int) core.GroupDispatcherConfig {
	some := func(of ...int) int { return of[s.rng.IntN(len(of))] }
	c := core.GroupDispatcherConfig{
		MaxItems: some(0, 2, 3, 8, 40), Concurrency: some(1, 2, 4, 16, 64),
		Linger: core.Millis(some(0, 0, 1, 15)), Target: core.Millis(some(0, 0, 3, 40)),
		Probes: some(1, 2, 3), Seed: s.rng.Uint64(), Retry: core.Retry{Initial: 3, Max: 80},
		MaxBytes: some(0, 0, 48<<10, 24<<10), Size: groupSize,
	}
	if s.profile.group.announced {
		c.StartItems = 1
	}
	if gaveUp(functionTypes[id]) {
		c.MaxBytes = some(0, 0, 24<<10, 8<<10) // for some messages that is too little: they become dead letters
	}
	c.StartAt = 1 + s.rng.IntN(c.Concurrency)
	if s.chance(0.4) {
		c.Ramp, c.RampEvery = 1+s.rng.IntN(4), core.Millis(some(10, 100, 1000))
	}
	return c
}

// groupSize is what an invocation takes in a request.
func groupSize(inv *core.Invocation) int {
	n := 64
	for _, m := range inv.Messages {
		n += len(m.Arg)
	}
	return n
}

func (e *grouped) submit(inv *core.Invocation) {
	e.put(core.GroupEvent{Kind: core.GroupSubmit, Invocation: inv})
}

func (e *grouped) done(g *core.Group, o core.GroupOutcome) {
	e.put(core.GroupEvent{Kind: core.GroupDone, Group: g, Outcome: &o})
}

// put has the dispatcher step soon, with what comes until then.
func (e *grouped) put(ev core.GroupEvent) {
	e.events = append(e.events, ev)
	if e.due {
		return
	}
	e.due = true
	e.p.later(e.s.spread(30), func() {
		e.due = false
		events := e.events
		e.events = nil
		e.step(events...)
	})
}

func (e *grouped) step(events ...core.GroupEvent) {
	if e.closed {
		return
	}
	c := &e.check
	c.now = max(c.now, e.p.now())
	before := e.dispatcher.Stats()
	tick := core.GroupEvent{Kind: core.GroupTick, Now: c.now}
	e.out = e.dispatcher.Step(&tick, e.out[:0])
	for i := range events {
		c.before(&events[i])
		e.out = e.dispatcher.Step(&events[i], e.out)
		c.stepped(e.dispatcher.Stats().Resting)
	}
	e.out = e.dispatcher.Send(e.out)
	after := e.dispatcher.Stats()
	c.after(e.out, after)
	e.countChanges(before, after, len(events))
	e.perform()
}

// countChanges counts what the dispatcher has done that is rare.
func (e *grouped) countChanges(before, after core.GroupStats, events int) {
	s := e.s
	s.countIf(after.Splits > before.Splits, GroupHalved)
	s.countIf(after.Resting && !before.Resting, GroupsRested)
	s.countIf(after.Limit > before.Limit && e.cfg.Ramp > 0, GroupsRamped)
	s.countIf(events == 0 && after.Groups > before.Groups && e.cfg.Linger > 0 && !before.Resting && before.Flying < before.Limit, GroupLingered)
}

// perform does what the effects ask for. The results of a step travel together.
func (e *grouped) perform() {
	results := map[core.WorkerID][]core.Result{}
	var to []core.WorkerID // in order
	for i := range e.out {
		switch f := &e.out[i]; f.Kind {
		case core.DispatchSend:
			e.serve(f.Group)
		case core.DispatchDeliver:
			t := f.Result.Invocation.Try
			if t.Generation != e.g.id {
				continue // the generation is over, and the next has not begun
			}
			if results[t.Worker] == nil {
				to = append(to, t.Worker)
			}
			results[t.Worker] = append(results[t.Worker], f.Result)
		case core.DispatchWindow:
			e.windows(f.Window)
		case core.DispatchWake:
			e.setWake(f.At)
		}
	}
	g := e.g
	for _, id := range to {
		g.later(e.s.spread(30), func() { g.own(id).put(core.Results{Results: results[id]}) })
	}
}

func (e *grouped) windows(all int) {
	if e.g.over {
		return
	}
	for _, w := range e.g.workers {
		w.window(e.id, max(1, all/len(e.g.workers)))
	}
}

func (e *grouped) setWake(at core.Millis) {
	e.wake = at
	e.p.later(max(0, int64(at-e.p.now())*1000+1000), func() {
		if e.wake == at && !e.closed {
			e.wake = 0
			e.step()
		}
	})
}

func (e *grouped) state() string {
	st := e.dispatcher.Stats()
	return fmt.Sprintf("groups: %d flying, %d queued, resting %t, wake %d", st.Flying, st.Queued, st.Resting, e.dispatcher.Wake())
}
