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
	e := &Groups{grouped: grouped{cfg: cfg, dispatcher: core.NewGroupDispatcher(cfg.Groups), health: health{tell: cfg.Trouble}}}
	var err error
	if e.grouped.transport, err = open(e.answered); err != nil {
		return nil, err
	}
	e.begin(&e.grouped, &cfg, e.grouped.dispatcher.Window())
	return e, nil
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
	out        outbox[core.Group]
}

func (s *grouped) submit(inv *core.Invocation) core.GroupEvent {
	return core.GroupEvent{Kind: core.GroupSubmit, Invocation: inv}
}

func (s *grouped) forget(g core.Generation) core.GroupEvent {
	return core.GroupEvent{Kind: core.GroupForget, Generation: g}
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
	for i := range s.effects {
		ef := &s.effects[i]
		s.out.put(ef.Kind, ef.Group, &ef.Result, ef.Window)
	}
	s.effects = emptied(s.effects)
	s.out.empty(&s.cfg, s.transport.Send)
}

func (s *grouped) close() { s.transport.Close() }

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
