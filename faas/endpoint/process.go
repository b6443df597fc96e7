package endpoint

import "github.com/stateway/stateway/runtime/core"

// single is the machine of an endpoint that takes one invocation a request.
type single struct {
	cfg        Config
	transport  Transport
	dispatcher *core.Dispatcher
	health     health
	effects    []core.DispatchEffect
	sends      []*core.Invocation
	results    []core.Result
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

// step runs events through the dispatcher and performs the effects. Wakes are left to the loop.
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
	window := 0
	for i := range s.effects {
		switch ef := &s.effects[i]; ef.Kind {
		case core.DispatchSend:
			s.sends = append(s.sends, ef.Invocation)
		case core.DispatchDeliver:
			s.results = append(s.results, ef.Result)
		case core.DispatchWindow:
			window = ef.Window
		case core.DispatchWake:
		}
	}
	s.perform(window)
}

func (s *single) perform(window int) {
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
