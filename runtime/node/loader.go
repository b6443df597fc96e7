package node

import (
	"context"
	"fmt"
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

// loaders is how many goroutines read from shards.
const loaders = 4

// loader performs the core's reads.
type loader struct {
	gen    *generation
	mu     sync.Mutex
	queue  []read // guarded by mu
	closed bool   // guarded by mu
	ready  *sync.Cond
}

// read is a read for a worker.
type read struct {
	worker *workerLoop
	effect core.Effect
}

func newLoader(g *generation) *loader {
	l := &loader{gen: g}
	l.ready = sync.NewCond(&l.mu)
	return l
}

func (l *loader) put(w *workerLoop, e core.Effect) {
	l.mu.Lock()
	l.queue = append(l.queue, read{w, e})
	l.mu.Unlock()
	l.ready.Signal()
}

// run answers reads until ctx ends; several may run.
func (l *loader) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	var batch []read
	for {
		batch = l.take(batch[:0])
		if len(batch) == 0 {
			return
		}
		l.answer(batch)
	}
}

// take waits for reads and takes a share of them.
func (l *loader) take(batch []read) []read {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 {
		if l.closed {
			return nil
		}
		l.ready.Wait()
	}
	n := min(len(l.queue), max(1, len(l.queue)/loaders))
	batch = append(batch, l.queue[:n]...)
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return batch
}

func (l *loader) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.queue = nil
	l.ready.Broadcast()
}

func (l *loader) answer(batch []read) {
	for _, r := range batch {
		store := l.gen.stores[shardOf(r.effect)]
		ev, err := store.Answer(r.effect)
		if err != nil {
			l.gen.fail(fmt.Errorf("read of a shard: %w", err))
			return
		}
		r.worker.inbox.put(ev)
	}
}

// shardOf is the shard that a read is for.
func shardOf(e core.Effect) core.ShardID {
	switch e := e.(type) {
	case core.LoadAddress:
		return e.Shard
	case core.LoadMailbox:
		return e.Shard
	case core.FindDedupe:
		return e.Shard
	case core.FindTokens:
		return e.Shard
	case core.ReadTimers:
		return e.Shard
	case core.ReadOutbox:
		return e.Shard
	case core.ReadBacklog:
		return e.Shard
	case core.ReadFailures:
		return e.Shard
	case core.LoadFailures:
		return e.Shard
	case core.ReadExpiring:
		return e.Shard
	}
	panic(fmt.Sprintf("node: the core asked for %T, which no driver performs", e))
}
