package node

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

const (
	appliers = 2
	// flushRows is how many rows a shard's store takes until it is flushed, so that a start reads few segments again.
	flushRows = 16384
	// flushCheckpoints is after how many checkpoints it is flushed even so.
	flushCheckpoints = 64
)

// applier writes committed overlays to the shards' stores.
type applier struct {
	gen *generation

	mu       sync.Mutex
	sections map[*core.Overlay]*checkpoint.Section // encoded, not yet applied; guarded by mu
	pending  map[core.ShardID][]*core.Overlay      // handed over, in checkpoint order; guarded by mu
	order    []core.ShardID                        // shards with pending overlays; guarded by mu
	busy     map[core.ShardID]bool                 // guarded by mu
	closed   bool                                  // guarded by mu
	ready    *sync.Cond
	tasks    sync.WaitGroup

	rows  map[core.ShardID]uint64 // since the last flush; guarded by mu
	since map[core.ShardID]int    // checkpoints since the last flush; guarded by mu
}

func newApplier(g *generation) *applier {
	a := &applier{
		gen: g, sections: map[*core.Overlay]*checkpoint.Section{},
		pending: map[core.ShardID][]*core.Overlay{}, busy: map[core.ShardID]bool{},
		rows: map[core.ShardID]uint64{}, since: map[core.ShardID]int{},
	}
	a.ready = sync.NewCond(&a.mu)
	return a
}

func (a *applier) start(ctx context.Context) {
	stop := context.AfterFunc(ctx, a.close)
	for range appliers {
		a.tasks.Add(1)
		go func() {
			defer a.tasks.Done()
			defer stop()
			a.run()
		}()
	}
}

func (a *applier) wait() {
	a.close()
	a.tasks.Wait()
}

func (a *applier) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.ready.Broadcast()
}

// encoded keeps an overlay's section until it is applied.
func (a *applier) encoded(o *core.Overlay, s *checkpoint.Section) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sections[o] = s
}

func (a *applier) section(o *core.Overlay) *checkpoint.Section {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sections[o]
}

// put takes a committed overlay.
func (a *applier) put(o *core.Overlay) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.pending[o.Shard]) == 0 && !a.busy[o.Shard] {
		a.order = append(a.order, o.Shard)
	}
	a.pending[o.Shard] = append(a.pending[o.Shard], o)
	a.ready.Signal()
}

// drain waits until the stores hold all overlays that were handed over; false if ctx ended before.
func (a *applier) drain(ctx context.Context) bool {
	for !a.idle() {
		if !sleep(ctx, time.Millisecond) {
			return false
		}
	}
	return true
}

func (a *applier) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.order) == 0 && len(a.busy) == 0
}

func (a *applier) run() {
	for {
		id, overlays, sections := a.take()
		if overlays == nil {
			return
		}
		if err := a.apply(id, overlays, sections); err != nil {
			a.gen.fail(fmt.Errorf("write checkpoint %d to shard %d: %w", overlays[len(overlays)-1].Epoch, id, err))
			return
		}
	}
}

// take waits for a shard with overlays and takes all of them.
func (a *applier) take() (core.ShardID, []*core.Overlay, []*checkpoint.Section) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.order) == 0 {
		if a.closed {
			return 0, nil, nil
		}
		a.ready.Wait()
	}
	if a.closed {
		return 0, nil, nil
	}
	id := a.order[0]
	a.order = a.order[1:]
	overlays := a.pending[id]
	delete(a.pending, id)
	a.busy[id] = true
	sections := make([]*checkpoint.Section, len(overlays))
	for i, o := range overlays {
		sections[i] = a.sections[o]
		delete(a.sections, o)
		a.rows[id] += sections[i].Len()
		a.since[id]++
	}
	return id, overlays, sections
}

func (a *applier) apply(id core.ShardID, overlays []*core.Overlay, sections []*checkpoint.Section) error {
	store := a.gen.stores[id]
	rows := make([]iter.Seq[core.Row], len(sections))
	for i, s := range sections {
		rows[i] = s.Rows()
	}
	last := overlays[len(overlays)-1]
	if err := store.Commit(last.Epoch.Checkpoint(), last.NextSeq, rows...); err != nil {
		return err
	}
	for i, o := range overlays {
		o.Release()
		sections[i].Release()
	}
	a.gen.workers[a.gen.owners[id]].inbox.put(core.Applied{Shard: id, Checkpoint: last.Epoch.Checkpoint()})
	flush := a.done(id)
	if flush {
		return store.Flush()
	}
	return nil
}

// done lets the shard's next overlays be taken, and tells whether the store is to be flushed.
func (a *applier) done(id core.ShardID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.busy, id)
	if len(a.pending[id]) > 0 {
		a.order = append(a.order, id)
		a.ready.Signal()
	}
	if a.rows[id] < flushRows && a.since[id] < flushCheckpoints+int(id)%16 {
		return false
	}
	a.rows[id], a.since[id] = 0, 0
	return true
}
