package embedded

import (
	"context"
	"sync"
	"time"

	"github.com/stateway/stateway/faas/reqreply"
	"github.com/stateway/stateway/runtime/core"
)

// runner runs one function after the other.
type runner struct {
	pool *Pool

	// Of the runner's goroutine.
	ctx    context.Context //nolint:containedctx // of the current try; made once and kept until one is given up
	cancel context.CancelFunc
	warmth core.Warmth

	mu      sync.Mutex // contended only when somebody looks
	chunk   []*core.Invocation
	next    int // index in chunk of the invocation after the current one
	results []core.Result
	current *core.Invocation // nil between two functions, and when it was given up
	begun   uint64           // functions begun
	seen    uint64           // begun at the last look
	since   time.Time        // of the first look that found the current one
	stuck   bool             // counted in pool.stuck; guarded by pool.mu as well
	spare   []core.Result
}

func (r *runner) run() {
	defer r.pool.tasks.Done()
	clean := false
	defer func() {
		if !clean { // the function has ended its goroutine (runtime.Goexit): go on in another
			r.finish(failed("the function ended its goroutine"))
			r.pool.tasks.Add(1)
			go r.run()
		}
	}()
	r.ctx, r.cancel = context.WithCancel(r.pool.ctx)
	defer func() { r.cancel() }()
	for {
		inv := r.begin()
		if inv == nil {
			r.flush()
			if !r.pool.take(r) {
				clean = true
				return
			}
			r.warmth.Invocations(r.chunk) // without mu: others change the chunk only while a function runs
			continue
		}
		r.finish(r.invoke(inv))
	}
}

// begin takes the next invocation of the chunk, nil at its end.
func (r *runner) begin() *core.Invocation {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == len(r.chunk) {
		clear(r.chunk)
		r.chunk, r.next = r.chunk[:0], 0
		return nil
	}
	r.current = r.chunk[r.next]
	r.next++
	r.begun++
	return r.current
}

func (r *runner) invoke(inv *core.Invocation) (o core.Outcome) {
	defer func() {
		if v := recover(); v != nil {
			o = failed("the function panicked: %v", v)
		}
	}()
	o = r.pool.cfg.Function.Invoke(r.ctx, inv)
	if o.Class != core.OutcomeOK {
		return o
	}
	if o.Response == nil {
		return failed("the function returned no response")
	}
	if err := reqreply.Check(o.Response); err != nil {
		return failed("%v", err)
	}
	return o
}

// finish keeps the outcome for the next flush, unless the try was given up.
func (r *runner) finish(o core.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		r.cancel()
		r.ctx, r.cancel = context.WithCancel(r.pool.ctx)
		return
	}
	r.results = append(r.results, core.Result{Invocation: r.current, Outcome: o})
	r.current = nil
}

func (r *runner) flush() {
	r.mu.Lock()
	results := r.results
	r.results = r.spare[:0]
	r.mu.Unlock()
	r.pool.deliver(results)
	clear(results)
	r.spare = results
}

// look is called with pool.mu held. If the runner is in the same function as at the last look, it appends its results
// to results and returns what waits behind that function. An overdue try is given up.
func (r *runner) look(now time.Time, results []core.Result) ([]core.Result, []*core.Invocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun != r.seen || r.current == nil {
		r.seen, r.since = r.begun, now
		if r.stuck && r.current != nil {
			r.stuck = false
			r.pool.stuck--
		}
		return results, nil
	}
	if !r.stuck {
		r.stuck = true
		r.pool.stuck++
	}
	results = append(results, r.results...)
	clear(r.results)
	r.results = r.results[:0]
	back := r.chunk[r.next:]
	r.chunk = r.chunk[:r.next]
	if limit := r.budget(); now.Sub(r.since) >= limit {
		o := failed("the function has not returned within the call budget of %v", limit)
		results = append(results, core.Result{Invocation: r.current, Outcome: o})
		r.current = nil
		r.cancel()
	}
	return results, back
}

func (r *runner) budget() time.Duration {
	call := r.pool.cfg.Call
	if b := time.Duration(r.current.Budget) * time.Millisecond; b > 0 {
		call = min(call, b)
	}
	return call
}
