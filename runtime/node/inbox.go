package node

import (
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

// inbox holds a worker's events until its loop takes all of them at once: one lock and at most one wake-up for
// many events.
type inbox struct {
	mu     sync.Mutex
	events []core.Event  // guarded by mu
	asleep bool          // guarded by mu: the loop waits for wake
	closed bool          // guarded by mu
	wake   chan struct{} // of capacity 1; full means that a wake-up is on its way
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put adds events. After close they are dropped: the generation is over.
func (b *inbox) put(events ...core.Event) {
	b.mu.Lock()
	if !b.closed {
		b.events = append(b.events, events...)
	}
	rouse := b.asleep
	b.asleep = false
	b.mu.Unlock()
	if rouse {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// take returns all events and keeps spare's memory for the next. If there are none, the next put wakes the loop.
func (b *inbox) take(spare []core.Event) []core.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	events := b.events
	if len(events) == 0 {
		b.asleep = true
		return nil
	}
	clear(spare[:cap(spare)])
	b.events = spare[:0]
	return events
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.events = nil
}
