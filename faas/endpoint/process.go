package endpoint

import "github.com/stateway/stateway/runtime/core"

// single is the machine of an endpoint that takes one invocation a request.
type single struct {
	cfg        Config
	transport  Transport
	dispatcher *core.Dispatcher
	health     health
	effects    []core.DispatchEffect
	out        outbox[core.Invocation]
}

func (s *single) submit(inv *core.Invocation) core.DispatchEvent {
	return core.DispatchEvent{Kind: core.DispatchSubmit, Invocation: inv}
}

func (s *single) forget(g core.Generation) core.DispatchEvent {
	return core.DispatchEvent{Kind: core.DispatchForget, Generation: g}
}

func (s *single) tick(now core.Millis) core.DispatchEvent {
	return core.DispatchEvent{Kind: core.DispatchTick, Now: now}
}

func (s *single) wake() core.Millis { return s.dispatcher.Wake() }

func (s *single) stats() Stats {
	return Stats{
		Limit: s.dispatcher.Limit(), Flying: s.dispatcher.Flying(), Queued: s.dispatcher.Queued(), Resting: s.dispatcher.Resting(),
		Answers: s.health.answers,
	}
}

// step runs events through the dispatcher and performs the effects.
func (s *single) step(events []core.DispatchEvent, now core.Millis) {
	tick := s.tick(now)
	s.effects = s.dispatcher.Step(&tick, s.effects[:0])
	for i := range events {
		if ev := &events[i]; ev.Kind == core.DispatchAnswered {
			s.health.note(ev.Outcome.Class, ev.Outcome.Reason)
		}
		s.effects = s.dispatcher.Step(&events[i], s.effects)
	}
	s.health.noteTrouble(s.dispatcher.Resting())
	for i := range s.effects {
		ef := &s.effects[i]
		s.out.put(ef.Kind, ef.Invocation, &ef.Result, ef.Window)
	}
	s.effects = emptied(s.effects)
	s.out.empty(&s.cfg, s.transport.Send)
}

func (s *single) close() { s.transport.Close() }
