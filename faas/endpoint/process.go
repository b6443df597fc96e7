package endpoint

import (
	"time"

	"github.com/stateway/stateway/runtime/core"
)

const (
	maxRounds = 8    // batches that a caller processes for others before a goroutine of its own takes over
	roomKept  = 8192 // events; a larger batch's room is given back
)

// processLocked is called with mu held and releases it. Unless somebody is at it already, it processes what has come
// and what comes meanwhile.
func (e *Endpoint) processLocked() {
	if e.busy || e.closed {
		e.mu.Unlock()
		return
	}
	e.busy = true
	for range maxRounds {
		if e.roundLocked(); len(e.events) == 0 || e.closed {
			e.busy = false
			e.mu.Unlock()
			return
		}
	}
	e.tasks.Add(1)
	go e.drain()
	e.mu.Unlock()
}

// drain goes on with what a caller has left.
func (e *Endpoint) drain() {
	defer e.tasks.Done()
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.events) > 0 && !e.closed {
		e.roundLocked()
	}
	e.busy = false
}

// roundLocked processes one batch of events and releases mu meanwhile.
func (e *Endpoint) roundLocked() {
	batch := e.events
	e.events, e.spare = e.spare[:0], nil
	e.mu.Unlock()
	e.step(batch)
	clear(batch)
	e.mu.Lock()
	if cap(batch) <= roomKept {
		e.spare = batch
	}
	e.stats = Stats{
		Limit: e.dispatcher.Limit(), Flying: e.dispatcher.Flying(), Queued: e.dispatcher.Queued(), Resting: e.dispatcher.Resting(),
		Answers: e.answers,
	}
	e.armLocked()
}

// step runs events through the dispatcher and performs the effects. Wakes are left to armLocked.
func (e *Endpoint) step(events []core.DispatchEvent) {
	tick := core.DispatchEvent{Kind: core.DispatchTick, Now: e.cfg.Now()}
	e.effects = e.dispatcher.Step(&tick, e.effects[:0])
	for i := range events {
		e.note(&events[i])
		e.effects = e.dispatcher.Step(&events[i], e.effects)
	}
	e.noteTrouble()
	window := 0
	for i := range e.effects {
		switch ef := &e.effects[i]; ef.Kind {
		case core.DispatchSend:
			e.sends = append(e.sends, ef.Invocation)
		case core.DispatchDeliver:
			e.results = append(e.results, ef.Result)
		case core.DispatchWindow:
			window = ef.Window
		case core.DispatchWake:
		}
	}
	e.perform(window)
}

// note counts an answer and remembers what went wrong.
func (e *Endpoint) note(ev *core.DispatchEvent) {
	if ev.Kind != core.DispatchAnswered {
		return
	}
	if class := int(ev.Outcome.Class); class < len(e.answers) {
		e.answers[class]++
	}
	if ev.Outcome.Class != core.OutcomeOK {
		e.reason = ev.Outcome.Reason
	}
}

// noteTrouble tells when trouble begins or is over.
func (e *Endpoint) noteTrouble() {
	resting := e.dispatcher.Resting()
	if resting == e.resting {
		return
	}
	e.resting = resting
	if e.cfg.Trouble != nil {
		e.cfg.Trouble(resting, e.reason)
	}
}

func (e *Endpoint) perform(window int) {
	if window > 0 {
		e.cfg.Window(window)
	}
	if len(e.sends) > 0 {
		e.transport.Send(e.sends)
	}
	if len(e.results) > 0 {
		e.cfg.Deliver(e.results)
	}
	clear(e.effects)
	clear(e.sends)
	clear(e.results)
	e.effects, e.sends, e.results = e.effects[:0], e.sends[:0], e.results[:0]
	if cap(e.effects) > roomKept {
		e.effects, e.sends, e.results = nil, nil, nil
	}
}

// armLocked sets the timer to the dispatcher's next wake. A timer that fired too early, because the clock was set back,
// is set again.
func (e *Endpoint) armLocked() {
	wake := e.dispatcher.Wake()
	if wake == e.armed || e.closed {
		return
	}
	if e.timer != nil {
		e.timer.Stop()
	}
	if e.armed = wake; wake == 0 {
		return
	}
	d := time.Duration(max(wake-e.cfg.Now(), 1)) * time.Millisecond
	if e.timer == nil {
		e.timer = time.AfterFunc(d, e.tick)
		return
	}
	e.timer.Reset(d)
}
