package endpoint

import "github.com/stateway/stateway/runtime/core"

// GroupTransport sends groups and calls back with what became of them, once for each. Send never blocks and does not keep the
// slice, but may keep the groups. Close waits for the transport's goroutines; nothing comes after it.
type GroupTransport interface {
	Send(groups []*core.Group)
	Close()
}

// GroupResult is what became of a group.
type GroupResult struct {
	Group   *core.Group
	Outcome core.GroupOutcome
}

// Groups is a dispatcher of groups with its transport. Make it with NewGroups. It keeps what Endpoint keeps.
type Groups struct {
	loop[core.GroupEvent]
	grouped grouped
}

// NewGroups opens the transport, which calls done with its results, and tells the first window. Of cfg it uses all but
// Dispatcher.
func NewGroups(cfg Config, open func(done func([]GroupResult)) (GroupTransport, error)) (*Groups, error) {
	e := &Groups{}
	e.grouped = grouped{cfg: cfg, dispatcher: core.NewGroupDispatcher(cfg.Groups), health: health{tell: cfg.Trouble}}
	e.machine, e.now = &e.grouped, cfg.Now
	t, err := open(e.answered)
	if err != nil {
		return nil, err
	}
	e.grouped.transport = t
	e.stats = e.grouped.stats()
	cfg.Window(e.grouped.dispatcher.Window())
	return e, nil
}

// Submit takes invocations. It does not keep the slice.
func (e *Groups) Submit(invs []*core.Invocation) {
	e.mu.Lock()
	for _, inv := range invs {
		e.events = append(e.events, core.GroupEvent{Kind: core.GroupSubmit, Invocation: inv})
	}
	e.processLocked()
}

// Forget gives up what generations below g submitted: no result of theirs is delivered by a call of Deliver that
// begins after Forget's turn has come.
func (e *Groups) Forget(g core.Generation) {
	e.mu.Lock()
	e.events = append(e.events, core.GroupEvent{Kind: core.GroupForget, Generation: g})
	e.processLocked()
}

// Close waits for who is at work, closes the transport and waits for its goroutines. Invocations without a result get none.
func (e *Groups) Close() {
	e.close()
	e.grouped.transport.Close()
}

func (e *Groups) answered(results []GroupResult) {
	for i := range results {
		r := &results[i]
		for j := range r.Outcome.Items {
			if j < len(r.Group.Items) {
				refuse(e.grouped.cfg.Check, r.Group.Items[j], &r.Outcome.Items[j])
			}
		}
	}
	e.mu.Lock()
	for i := range results {
		outcome := results[i].Outcome
		e.events = append(e.events, core.GroupEvent{Kind: core.GroupDone, Group: results[i].Group, Outcome: &outcome})
	}
	e.processLocked()
}

// grouped is the machine of an endpoint that takes groups.
type grouped struct {
	cfg        Config
	transport  GroupTransport
	dispatcher *core.GroupDispatcher
	health     health
	effects    []core.GroupEffect
	sends      []*core.Group
	results    []core.Result
}

func (s *grouped) tick(now core.Millis) core.GroupEvent {
	return core.GroupEvent{Kind: core.GroupTick, Now: now}
}

func (s *grouped) wake() core.Millis { return s.dispatcher.Wake() }

func (s *grouped) stats() Stats {
	d, price := s.dispatcher.Stats(), s.cfg.Price
	return Stats{
		Limit: d.Limit, Flying: d.Flying, Queued: d.Queued, Resting: d.Resting, Answers: s.health.answers,
		Groups: GroupStats{
			Groups: d.Groups, Items: d.Items, Bytes: d.Bytes,
			Splits: d.Splits, Missing: d.Missing, Throttled: d.Throttled, Stray: d.Stray, Busy: d.Busy,
			Cost: float64(d.Groups)*price.Request + float64(d.Busy)/1000*price.Second,
		},
	}
}

// step runs events through the dispatcher, lets it send what has come together, and performs the effects.
func (s *grouped) step(events []core.GroupEvent, now core.Millis) {
	tick := s.tick(now)
	s.effects = s.dispatcher.Step(&tick, s.effects[:0])
	for i := range events {
		s.note(&events[i])
		s.effects = s.dispatcher.Step(&events[i], s.effects)
	}
	s.effects = s.dispatcher.Send(s.effects)
	s.health.noteTrouble(s.dispatcher.Stats().Resting)
	window := 0
	for i := range s.effects {
		switch ef := &s.effects[i]; ef.Kind {
		case core.DispatchSend:
			s.sends = append(s.sends, ef.Group)
		case core.DispatchDeliver:
			s.results = append(s.results, ef.Result)
		case core.DispatchWindow:
			window = ef.Window
		case core.DispatchWake:
		}
	}
	s.perform(window)
}

// note counts what became of each item.
func (s *grouped) note(ev *core.GroupEvent) {
	if ev.Kind != core.GroupDone {
		return
	}
	o := ev.Outcome
	switch {
	case o.Class == core.GroupAnswered && len(o.Items) == len(ev.Group.Items):
		for i := range o.Items {
			s.health.note(o.Items[i].Class, o.Items[i].Reason)
		}
	case o.Class == core.GroupTrouble:
		s.health.note(core.OutcomeTrouble, o.Reason)
	default:
		s.health.note(core.OutcomeFailed, o.Reason)
	}
}

func (s *grouped) perform(window int) {
	if window > 0 {
		s.cfg.Window(window)
	}
	if len(s.sends) > 0 {
		s.transport.Send(s.sends)
	}
	if len(s.results) > 0 {
		s.cfg.Deliver(s.results)
	}
	clear(s.effects)
	clear(s.sends)
	clear(s.results)
	s.effects, s.sends, s.results = s.effects[:0], s.sends[:0], s.results[:0]
	if cap(s.effects) > roomKept {
		s.effects, s.sends, s.results = nil, nil, nil
	}
}
