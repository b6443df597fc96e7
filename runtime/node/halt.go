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
	if !g.awaitFunctions(ctx) {
		return
	}
	if g.awaitEgresses(ctx, false) {
		g.wantSoon() // deletes of emitted records alone are no reason for a checkpoint, but at the end they are
	}
	g.coordinator.put(core.Halt{})
	if !g.awaitLast(ctx) {
		return
	}
	g.workerStatus() // they have handed over what the last checkpoint committed
	g.awaitEgresses(ctx, true)
	g.fail(errors.Join(errHalted, g.flushShards(ctx)))
}

// awaitLast waits until the halting checkpoint has committed. If the bucket does not take it in time, the generation fails: the process
// must come to an end, and another reads again what was not committed.
func (g *generation) awaitLast(ctx context.Context) bool {
	patience := time.NewTimer(g.node.cfg.CommitPatience)
	defer patience.Stop()
	select {
	case <-g.closed:
		return true
	case <-patience.C:
		g.fail(fmt.Errorf("%w within %s: what was committed before is safe, and what was not is read again from the ingresses at the next start",
			ErrNotCommitted, g.node.cfg.CommitPatience))
	case <-ctx.Done():
	}
	return false
}

// awaitFunctions waits until no try is under way, or the halt's patience ends; tries that only wait for the end of an endpoint's trouble
// do not count. False if ctx ends.
func (g *generation) awaitFunctions(ctx context.Context) bool {
	patience := time.NewTimer(g.node.cfg.HaltPatience)
	defer patience.Stop()
	look := time.NewTicker(haltLook)
	defer look.Stop()
	for still := 0; still < 2; {
		select {
		case <-g.halted.zero:
			return true
		case <-ctx.Done():
			return false
		case <-patience.C:
			g.log.Warn("functions still run; their messages will be invoked again after the next start")
			return true
		case <-look.C:
			if still++; g.flying() > 0 {
				still = 0
			}
		}
	}
	return true
}

// haltLook is the time between two looks for tries under way while the node halts.
const haltLook = 50 * time.Millisecond

// flying is how many tries are at their endpoints; of callers without numbers it counts one.
func (g *generation) flying() int {
	n := 0
	for _, c := range g.callers {
		if m, ok := c.(measured); ok {
			n += m.Stats().Flying
		} else {
			n++
		}
	}
	return n
}

// awaitEgresses waits until the egresses of a kind have taken all records, and reports whether they ever got one.
func (g *generation) awaitEgresses(ctx context.Context, afterCommit bool) (used bool) {
	end := time.Now().Add(egressPatience)
	for i, e := range g.egresses {
		if g.node.cfg.Parts.Egresses[i].Core.AfterCommit != afterCommit {
			continue
		}
		if _, publishes := e.(*publisher); afterCommit && !publishes {
			continue // its records wait to be taken by somebody: they do so over a restart, too
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
