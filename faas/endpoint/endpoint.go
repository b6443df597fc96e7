// Package endpoint drives one endpoint of a node: it runs the core's dispatcher over a transport (faas/http,
// faas/embedded, faas/cloudevents, faas/lambda) and keeps its timer.
//
// Always true: an invocation that was submitted gets one result, unless its generation is forgotten or the endpoint is
// closed; effects are performed in the dispatcher's order, by one goroutine at a time, with no lock held. Called by
// runtime/node. An Endpoint is safe for concurrent use.
package endpoint

import "github.com/stateway/stateway/runtime/core"

// Transport sends invocations and calls back with what became of them, once for each, from any goroutine, several at a time. Send never blocks
// and does not keep the slice. Close waits for the transport's goroutines; no result comes after it.
type Transport interface {
	Send(invs []*core.Invocation)
	Close()
}

// Config says how an endpoint is driven.
type Config struct {
	// Dispatcher configures New, Groups NewGroups.
	Dispatcher core.DispatcherConfig
	Groups     core.GroupDispatcherConfig
	// Price is what groups cost; zero is not estimated.
	Price Price
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

// Price is what a request in a group costs its owner, in any currency.
type Price struct {
	Request float64 // of a request
	Second  float64 // of a second that it is under way
}

// Endpoint is a dispatcher with its transport. Make it with New.
type Endpoint struct {
	loop[core.DispatchEvent]
	single single
}

// New opens the transport, which calls done with its results, and tells the first window.
func New(cfg Config, open func(done func([]core.Result)) (Transport, error)) (*Endpoint, error) {
	e := &Endpoint{single: single{cfg: cfg, dispatcher: core.NewDispatcher(cfg.Dispatcher), health: health{tell: cfg.Trouble}}}
	var err error
	if e.single.transport, err = open(e.answered); err != nil {
		return nil, err
	}
	e.begin(&e.single, &cfg, e.single.dispatcher.Window())
	return e, nil
}

func (e *Endpoint) answered(results []core.Result) {
	for i := range results {
		refuse(e.single.cfg.Check, results[i].Invocation, &results[i].Outcome)
	}
	e.mu.Lock()
	for i := range results {
		e.events = append(e.events, core.DispatchEvent{
			Kind: core.DispatchAnswered, Invocation: results[i].Invocation, Outcome: results[i].Outcome,
		})
	}
	e.processLocked()
}
