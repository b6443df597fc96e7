// Package endpoint drives one endpoint of a node: it runs the core's dispatcher over a transport (faas/http,
// faas/embedded) and keeps its timer.
//
// Always true: an invocation that was submitted gets one result, unless its generation is forgotten or the endpoint is
// closed; effects are performed in the dispatcher's order, by one goroutine at a time, with no lock held. Called by
// runtime/node. An Endpoint is safe for concurrent use.
package endpoint

import (
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

// Transport sends invocations and calls back with what became of them, once for each. Send never blocks and does not
// keep the slice. Close waits for the transport's goroutines; no result comes after it.
type Transport interface {
	Send(invs []*core.Invocation)
	Close()
}

// Config says how an endpoint is driven.
type Config struct {
	Dispatcher core.DispatcherConfig
	// Now is the core's time.
	Now func() core.Millis
	// Deliver takes results, of all workers mixed (Invocation.Try.Worker tells whose each is). The slice is valid only
	// during the call. It must not block.
	Deliver func([]core.Result)
	// Window is told how many invocations all workers together should have submitted at most. It must not block.
	Window func(limit int)
	// Check, if set, says why an answer cannot be applied: then it is a failed invocation. Called by many goroutines.
	Check func(*core.Invocation, *core.Response) error
	// Trouble, if set, is told when the endpoint's trouble begins, with what went wrong last, and when it is over. It must
	// not block.
	Trouble func(begins bool, reason string)
}

// Endpoint is a dispatcher with its transport. Make it with New.
type Endpoint struct {
	cfg       Config
	transport Transport
	tasks     sync.WaitGroup // drains in goroutines of their own, and ticks

	mu     sync.Mutex // not held while events are processed
	events []core.DispatchEvent
	spare  []core.DispatchEvent // the room of the batch before
	busy   bool                 // somebody processes events
	closed bool
	stats  Stats       // after the last batch
	armed  core.Millis // when timer fires; zero if it does not

	// Of whoever is busy.
	dispatcher *core.Dispatcher
	resting    bool
	reason     string    // of the last answer that was none
	answers    [3]uint64 // by core.OutcomeClass
	effects    []core.DispatchEffect
	sends      []*core.Invocation
	results    []core.Result
	timer      *time.Timer
}

// Stats is what metrics show of an endpoint.
type Stats struct {
	Limit   int  // tries that may be under way
	Flying  int  // tries under way
	Queued  int  // invocations that wait for a slot or for the end of a rest
	Resting bool // the endpoint is in trouble

	Answers [3]uint64 // tries that ended, by core.OutcomeClass
}

// New opens the transport, which calls done with its results, and tells the first window.
func New(cfg Config, open func(done func([]core.Result)) (Transport, error)) (*Endpoint, error) {
	e := &Endpoint{cfg: cfg, dispatcher: core.NewDispatcher(cfg.Dispatcher)}
	t, err := open(e.answered)
	if err != nil {
		return nil, err
	}
	e.transport = t
	e.stats.Limit = e.dispatcher.Limit()
	cfg.Window(e.dispatcher.Window())
	return e, nil
}

// Submit takes invocations. It does not keep the slice.
func (e *Endpoint) Submit(invs []*core.Invocation) {
	e.mu.Lock()
	for _, inv := range invs {
		e.events = append(e.events, core.DispatchEvent{Kind: core.DispatchSubmit, Invocation: inv})
	}
	e.processLocked()
}

// Forget gives up what generations below g submitted: no result of theirs is delivered by a call of Deliver that
// begins after Forget's turn has come.
func (e *Endpoint) Forget(g core.Generation) {
	e.mu.Lock()
	e.events = append(e.events, core.DispatchEvent{Kind: core.DispatchForget, Generation: g})
	e.processLocked()
}

// Stats returns the numbers after the last batch of events.
func (e *Endpoint) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}

// Close closes the transport and waits for all goroutines. Invocations without a result get none.
func (e *Endpoint) Close() {
	e.mu.Lock()
	e.closed = true
	e.events = nil
	if e.timer != nil {
		e.timer.Stop()
	}
	e.mu.Unlock()
	e.transport.Close()
	e.tasks.Wait()
}

func (e *Endpoint) answered(results []core.Result) {
	if e.cfg.Check != nil {
		for i := range results {
			e.check(&results[i])
		}
	}
	e.mu.Lock()
	for i := range results {
		e.events = append(e.events, core.DispatchEvent{
			Kind: core.DispatchAnswered, Invocation: results[i].Invocation, Outcome: results[i].Outcome,
		})
	}
	e.processLocked()
}

// check makes an answer that cannot be applied a failure, before the dispatcher takes it for a success.
func (e *Endpoint) check(r *core.Result) {
	o := &r.Outcome
	if o.Class != core.OutcomeOK || o.Response == nil {
		return
	}
	if err := e.cfg.Check(r.Invocation, o.Response); err != nil {
		*o = core.Outcome{Class: core.OutcomeFailed, Reason: err.Error(), Took: o.Took}
	}
}

func (e *Endpoint) tick() {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.tasks.Add(1)
	defer e.tasks.Done()
	e.armed = 0
	e.events = append(e.events, core.DispatchEvent{Kind: core.DispatchTick, Now: e.cfg.Now()})
	e.processLocked()
}
