package kinesis

import (
	"context"
	"sync"
)

// budget is the memory that answers of Kinesis may take before they are put. Whoever finds some left may take all it
// needs, so that the largest answer passes through the smallest budget.
type budget struct {
	mu      sync.Mutex
	left    int64         // guarded by mu; may be below zero
	changed chan struct{} // guarded by mu; closed and replaced when some comes back
}

func newBudget(n int64) *budget { return &budget{left: n, changed: make(chan struct{})} }

// take waits until something is left and takes n.
func (b *budget) take(ctx context.Context, n int64) error {
	for {
		b.mu.Lock()
		if b.left > 0 {
			b.left -= n
			b.mu.Unlock()
			return nil
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// give gives n back; below zero it takes more, without waiting.
func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
	if n > 0 {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// short reports whether nothing is left, so that others may be waiting.
func (b *budget) short() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left <= 0
}
