package node

import (
	"sync"
	"sync/atomic"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

// acks answers those who wait until their messages are in a committed checkpoint.
type acks struct {
	next atomic.Uint64

	mu    sync.Mutex
	open  map[uint64]*ack       // messages not all accepted yet; guarded by mu
	ready map[core.Epoch][]*ack // accepted, waiting for the epoch's checkpoint; guarded by mu
	done  core.CheckpointID     // the last committed; guarded by mu
	over  bool                  // guarded by mu
}

// ack is one batch whose sender waits.
type ack struct {
	left  int        // messages not accepted yet
	epoch core.Epoch // the last that holds one of them
	tell  func(error)
}

func newAcks() *acks {
	return &acks{open: map[uint64]*ack{}, ready: map[core.Epoch][]*ack{}}
}

// open registers a batch of n messages and returns the number under which they are accepted.
func (a *acks) add(n int, tell func(error)) uint64 {
	id := a.next.Add(1)
	a.mu.Lock()
	over := a.over
	if !over {
		a.open[id] = &ack{left: n, tell: tell}
	}
	a.mu.Unlock()
	if over {
		tell(ingress.ErrStopped)
	}
	return id
}

// accepted counts one message of a batch.
func (a *acks) accepted(e core.Accepted) {
	a.mu.Lock()
	k := a.open[e.Request.N]
	if k == nil {
		a.mu.Unlock()
		return
	}
	k.left--
	k.epoch = max(k.epoch, e.Epoch)
	if k.left > 0 {
		a.mu.Unlock()
		return
	}
	delete(a.open, e.Request.N)
	committed := k.epoch.Checkpoint() <= a.done
	if !committed {
		a.ready[k.epoch] = append(a.ready[k.epoch], k)
	}
	a.mu.Unlock()
	if committed {
		k.tell(nil)
	}
}

// committed answers everybody whose messages checkpoint n or an earlier one holds.
func (a *acks) committed(n core.CheckpointID) {
	a.mu.Lock()
	a.done = max(a.done, n)
	var tell []*ack
	for e, list := range a.ready {
		if e.Checkpoint() <= n {
			tell = append(tell, list...)
			delete(a.ready, e)
		}
	}
	a.mu.Unlock()
	for _, k := range tell {
		k.tell(nil)
	}
}

// stop tells everybody who still waits that the node stops.
func (a *acks) stop() {
	a.mu.Lock()
	a.over = true
	var tell []*ack
	for _, k := range a.open {
		tell = append(tell, k)
	}
	for _, list := range a.ready {
		tell = append(tell, list...)
	}
	clear(a.open)
	clear(a.ready)
	a.mu.Unlock()
	for _, k := range tell {
		k.tell(ingress.ErrStopped)
	}
}

// requests match operators' questions with the workers' answers.
type requests struct {
	mu   sync.Mutex
	next uint64              // guarded by mu
	open map[uint64]chan any // of capacity 1; guarded by mu
	over bool                // guarded by mu
}

func newRequests() *requests { return &requests{open: map[uint64]chan any{}} }

func (r *requests) add() (uint64, <-chan any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	c := make(chan any, 1)
	if r.over {
		close(c)
	} else {
		r.open[r.next] = c
	}
	return r.next, c
}

func (r *requests) answer(id uint64, answer any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.open[id]; c != nil {
		delete(r.open, id)
		c <- answer
	}
}

// stop closes the channels of those who wait, and of those who still come.
func (r *requests) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for id, c := range r.open {
		close(c)
		delete(r.open, id)
	}
}
