package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

// egressPatience is how long a halting node waits for egresses, before its last checkpoint and after. What they have not
// taken by then they get after the next start.
const egressPatience = 2 * time.Second

// halt stops ingresses and invocations, waits for those in flight, has the halting checkpoint made, and leaves it on the disk, so
// that the next start reads and does nothing again.
func (g *generation) halt(ctx context.Context) {
	g.ready.Store(false)
	g.ingresses.stopReading()
	g.broadcast(core.Halt{})
	select {
	case <-g.halted.zero:
	case <-ctx.Done():
		return
	case <-time.After(g.node.haltPatience()):
		g.log.Warn("functions still run; their messages will be invoked again after the next start")
	}
	if g.awaitEgresses(ctx, false) {
		g.wantSoon() // deletes of emitted records alone are no reason for a checkpoint, but at the end they are
	}
	g.coordinator.put(core.Halt{})
	select {
	case <-g.closed:
	case <-ctx.Done():
		return
	}
	g.workerStatus() // they have handed over what the last checkpoint committed
	g.awaitEgresses(ctx, true)
	g.fail(errors.Join(errHalted, g.flushShards(ctx)))
}

// awaitEgresses waits until the egresses of a kind have taken all records, and reports whether they ever got one.
func (g *generation) awaitEgresses(ctx context.Context, afterCommit bool) (used bool) {
	end := time.Now().Add(egressPatience)
	for i, e := range g.egresses {
		if g.node.cfg.Parts.Egresses[i].Core.AfterCommit != afterCommit {
			continue
		}
		left, total := e.outstanding()
		for ; left > 0 && time.Now().Before(end) && sleep(ctx, time.Millisecond); left, total = e.outstanding() {
		}
		if left > 0 {
			g.log.Warn("egress: it has not taken all records; it gets them after the next start",
				"egress", g.node.cfg.Parts.Egresses[i].Core.Name, "records", left)
		}
		used = used || total > 0
	}
	return used
}

// flushShards writes all committed rows to the disk.
func (g *generation) flushShards(ctx context.Context) error {
	if !g.applier.drain(ctx) {
		return nil // the generation fails, which says why
	}
	ids := make(chan core.ShardID)
	errs := make([]error, restorers)
	var group sync.WaitGroup
	for i := range restorers {
		group.Go(func() {
			for id := range ids {
				if err := g.stores[id].Flush(); err != nil {
					errs[i] = fmt.Errorf("flush shard %d: %w", id, err)
				}
			}
		})
	}
	for id := range g.stores {
		if g.serving[id].Load() {
			ids <- core.ShardID(id) //nolint:gosec // at most core.MaxShards
		}
	}
	close(ids)
	group.Wait()
	return errors.Join(errs...)
}
