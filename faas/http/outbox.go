package http

import (
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

// outbox hands results over in batches: whoever finds nobody at it delivers its own result, and those that came
// meanwhile. So a single result waits for nothing, and under load one call takes many.
type outbox struct {
	done func([]core.Result) // set by New, then constant

	mu      sync.Mutex // not held while done runs
	results []core.Result
	spare   []core.Result // the room of the batch before
	busy    bool          // somebody delivers
	closed  bool
}

func (o *outbox) put(r core.Result) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return
	}
	o.results = append(o.results, r)
	if o.busy {
		o.mu.Unlock()
		return
	}
	o.busy = true
	for len(o.results) > 0 {
		batch := o.results
		o.results, o.spare = o.spare[:0], nil
		o.mu.Unlock()
		o.done(batch)
		clear(batch)
		o.mu.Lock()
		o.spare = batch
	}
	o.busy = false
	o.mu.Unlock()
}

// close drops what was not delivered; a call of done that runs is not waited for.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.results = nil
	o.mu.Unlock()
}
