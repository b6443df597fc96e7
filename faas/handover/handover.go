// Package handover passes results from many goroutines to one receiver, in batches.
//
// Always true: a result that was put is received once, in the order of the puts of one goroutine; the receiver is
// called by one goroutine at a time and never with a lock held. Used by faas/http.
package handover

import (
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

// Queue hands results over in batches: whoever finds nobody at it delivers its own results, and those that came
// meanwhile. So a single result waits for nothing, and under load one call takes many. Make it with New.
type Queue struct {
	done func([]core.Result) // set by New, then constant

	mu      sync.Mutex // not held while done runs
	results []core.Result
	spare   []core.Result // the room of the batch before
	busy    bool          // somebody delivers
	closed  bool
}

// New makes a Queue. done must not block; its slice is valid only during the call.
func New(done func([]core.Result)) *Queue { return &Queue{done: done} }

// Put delivers results, or leaves them to the goroutine that is delivering. It does not keep the slice.
func (q *Queue) Put(results ...core.Result) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(results) == 0 {
		return
	}
	q.results = append(q.results, results...)
	if q.busy {
		return
	}
	q.busy = true
	for len(q.results) > 0 {
		q.deliverLocked()
	}
	q.busy = false
}

const roomKept = 4096 // results; a larger batch's room is given back

// deliverLocked releases mu while done runs.
func (q *Queue) deliverLocked() {
	batch := q.results
	q.results, q.spare = q.spare[:0], nil
	q.mu.Unlock()
	q.done(batch)
	clear(batch)
	q.mu.Lock()
	if cap(batch) <= roomKept {
		q.spare = batch
	}
}

// Close drops what was not delivered and what is put later. A call of done that runs is not waited for.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.results = nil
}
