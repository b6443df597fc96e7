package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
)

const (
	collectEvery = 16 // checkpoints between two steps of the garbage collection
	collectStep  = 32 // deletions in a step
)

// chores is what a leader does with the bucket beside committing, on goroutines of its own, so that no checkpoint waits for it: one looks
// at the log, one collects garbage. What a look saw goes to the coordinator as an event.
type chores struct {
	gen     *generation
	looks   chan checkpoint.Look
	collect chan struct{}         // of capacity 1: a step is wanted
	waste   *checkpoint.Collector // owned by the goroutine that runs runCollection

	age     atomic.Int64 // the log's, in nanoseconds, when a step was last asked for
	mu      sync.Mutex
	retired []*checkpoint.Manifest // committed since the last step; guarded by mu
}

// logLooked is an event for the coordinator's loop: what a look saw.
type logLooked struct {
	seen checkpoint.Looked
	err  error
}

func newChores(g *generation) *chores {
	return &chores{
		gen: g, looks: make(chan checkpoint.Look, 1), collect: make(chan struct{}, 1), waste: g.node.app.NewCollector(),
	}
}

// runLooks takes the looks that the coordinator wants, one at a time, until ctx ends.
func (h *chores) runLooks(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case look := <-h.looks:
			seen, err := look.Do(ctx)
			h.gen.coordinator.put(logLooked{seen, err})
		}
	}
}

// askCollection asks for a step of the garbage collection, unless one is asked for already. It belongs to the reign's goroutine.
func (h *chores) askCollection() {
	h.age.Store(int64(h.gen.node.reign.Age()))
	select {
	case h.collect <- struct{}{}:
	default:
	}
}

// committed tells what a committed manifest retired.
func (h *chores) committed(m *checkpoint.Manifest) {
	if len(m.Retired) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.retired = append(h.retired, m)
}

// runCollection does the steps of the garbage collection that were asked for, until ctx ends.
func (h *chores) runCollection(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.collect:
			h.step(ctx)
		}
	}
}

// step deletes a few objects that nothing needs any more. Restoring shards may still need what an older manifest names.
func (h *chores) step(ctx context.Context) {
	if h.gen.pending.Load() > 0 {
		return
	}
	h.mu.Lock()
	retired := h.retired
	h.retired = nil
	h.mu.Unlock()
	for _, m := range retired {
		h.waste.Committed(m)
	}
	l := checkpoint.Lineage{Generation: h.gen.id, Nonce: h.gen.nonce}
	done, err := h.waste.Step(ctx, l, time.Duration(h.age.Load()), h.gen.coordinator.newest, collectStep)
	if err != nil && ctx.Err() == nil && !errors.Is(err, checkpoint.ErrDeposed) {
		h.gen.log.Warn("delete objects that are not needed any more", "error", err)
	}
	h.gen.node.metrics.collected.Add(uint64(done.Deleted)) //nolint:gosec // not negative
}
