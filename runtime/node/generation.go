package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// generation is everything that runs between two restores.
type generation struct {
	// Set before anything runs, then constant.
	node      *Node
	log       *slog.Logger
	id        core.Generation
	nonce     uint64
	sharding  core.Sharding
	restored  core.CheckpointID
	positions map[string][]byte // at the restore point
	workers   []*workerLoop
	owners    []core.WorkerID
	stores    []*shard.Store // by ShardID; each set before serving says so
	serving   []atomic.Bool  // by ShardID: the store holds the restore point, or more
	callers   []Caller       // by EndpointID
	checker   *core.Checker
	egresses  []egressDriver // by EgressID
	loader    *loader
	uploader  *uploader
	applier   *applier

	coordinator *coordinatorLoop
	ingresses   *ingressDriver
	acks        *acks
	requests    *requests
	labels      typeLabels
	base        core.Millis // the core's time at the restore point
	clock       *clock
	started     time.Time

	cuts    atomic.Int64 // workers that have cut the epoch that is ending
	halted  *countdown
	closed  chan struct{} // closed when the halting checkpoint has committed
	tasks   sync.WaitGroup
	cancel  context.CancelCauseFunc
	ready   atomic.Bool
	pending atomic.Int64 // shards that are not restored yet

	resultRooms sync.Pool // of *[]core.Result: memory of processed results
}

// brokenError: a worker cannot go on.
type brokenError struct {
	worker core.WorkerID
	reason string
}

func (e *brokenError) Error() string { return fmt.Sprintf("worker %d: %s", e.worker, e.reason) }

// errHalted ends a generation after its halting checkpoint.
var errHalted = errors.New("halted")

// now is the core's time.
func (g *generation) now() core.Millis { return g.clock.now() }

// timeOf is when the core's time will be at.
func (g *generation) timeOf(at core.Millis) time.Time {
	return time.Now().Add(time.Duration(at-g.now()) * time.Millisecond)
}

// fail ends the generation, and the node.
func (g *generation) fail(err error) { g.cancel(err) }

// goTask runs f on a goroutine that run waits for.
func (g *generation) goTask(f func()) {
	g.tasks.Add(1)
	go func() {
		defer g.tasks.Done()
		f()
	}()
}

// broadcast gives an event to every worker.
func (g *generation) broadcast(ev core.Event) {
	for _, w := range g.workers {
		w.inbox.put(ev)
	}
}

// epochEnded counts a worker's cut. When all have cut, every frame of the epoch is in its target's inbox, so the
// end of the epoch goes behind it.
func (g *generation) epochEnded(e core.Epoch) {
	if g.cuts.Add(1) < int64(len(g.workers)) {
		return
	}
	g.cuts.Store(0)
	g.broadcast(core.EndOfEpoch{Node: 0, Epoch: e})
}

// newGeneration makes what runs from a restore point; nothing runs yet.
func (n *Node) newGeneration(id core.Generation, nonce uint64, state *checkpoint.State) (*generation, error) {
	sharding, err := core.NewSharding(n.app.Shards)
	if err != nil {
		return nil, err
	}
	g := &generation{
		node: n, log: n.cfg.Log, id: id, nonce: nonce, sharding: sharding,
		restored: state.Checkpoint, positions: state.Positions, base: state.Time, started: time.Now(),
		stores: make([]*shard.Store, n.app.Shards), serving: make([]atomic.Bool, n.app.Shards), acks: newAcks(), requests: newRequests(),
		closed: make(chan struct{}),
	}
	g.loader = newLoader(g)
	g.uploader = newUploader(g)
	g.applier = newApplier(g)
	g.clock = newClock(state.Time)
	g.coordinator = newCoordinatorLoop(g, state)
	g.pending.Store(int64(n.app.Shards))
	for s := range n.app.Shards {
		g.owners = append(g.owners, core.WorkerID(s%n.cfg.Workers)) //nolint:gosec // few
	}
	g.halted = newCountdown(n.cfg.Workers)
	return g, nil
}

// newWorkers makes the workers at the restore point.
func (g *generation) newWorkers(state *checkpoint.State) error {
	cfg := g.node.cfg
	next := map[core.ShardID]core.Seq{}
	for s := range g.node.app.Shards {
		id := core.ShardID(s) //nolint:gosec // at most core.MaxShards
		if seq := state.Past(id).NextSeq; seq > 0 {
			next[id] = seq
		}
	}
	app := &core.Application{EndpointOf: cfg.Parts.EndpointOf}
	for _, e := range cfg.Parts.Endpoints {
		e.Core.Window = max(1, e.Core.Window/cfg.Workers)
		app.Endpoints = append(app.Endpoints, e.Core)
	}
	for i, e := range cfg.Parts.Egresses {
		e.Core.Validate = g.egresses[i].validate
		app.Egresses = append(app.Egresses, e.Core)
	}
	g.checker = core.NewChecker(app)
	for i := range cfg.Workers {
		id := core.WorkerID(i) //nolint:gosec // few
		w, err := core.NewWorker(core.WorkerConfig{
			ID: id, Nodes: []core.NodeID{0}, Generation: g.id, Nonce: g.nonce,
			Sharding: g.sharding, Owners: g.owners, App: app,
			Restored: g.restored, Now: g.base, NextSeq: next,
			Memory: cfg.Memory * 3 / 4 / int64(cfg.Workers),
		})
		if err != nil {
			return err
		}
		g.workers = append(g.workers, newWorkerLoop(g, w, id))
	}
	return nil
}

// run serves until ctx ends, which halts, or the generation fails. It returns errHalted after a halting checkpoint.
func (g *generation) run(ctx context.Context, state *checkpoint.State) error {
	running, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	g.cancel = cancel
	defer cancel(nil)
	err := g.start(running, state)
	if err == nil {
		select {
		case <-running.Done():
		case <-ctx.Done():
			g.halt(running)
		}
		err = context.Cause(running)
	}
	cancel(err)
	g.stop()
	return err
}

// start opens what talks to the outside and starts all goroutines.
func (g *generation) start(ctx context.Context, state *checkpoint.State) error {
	if err := g.openEgresses(ctx); err != nil {
		return err
	}
	if err := g.newWorkers(state); err != nil {
		return err
	}
	if err := g.openCallers(); err != nil {
		return err
	}
	var err error
	if g.ingresses, err = g.openIngresses(); err != nil {
		return err
	}
	g.node.publish(g) // everything that others ask is there now
	for _, w := range g.workers {
		g.goTask(func() { w.run(ctx) })
	}
	for range loaders {
		g.goTask(func() { g.loader.run(ctx) })
	}
	g.goTask(func() { g.uploader.run(ctx) })
	g.applier.start(ctx)
	g.goTask(func() { g.coordinator.run(ctx) })
	g.goTask(func() { g.coordinator.chores.runLooks(ctx) })
	g.goTask(func() { g.coordinator.chores.runCollection(ctx) })
	g.goTask(func() { g.restoreShards(ctx, state) })
	g.goTask(func() { g.refreshBases(ctx) })
	g.ingresses.start(ctx)
	return nil
}

// stop ends everything and waits for it.
func (g *generation) stop() {
	g.ready.Store(false)
	if g.ingresses != nil {
		g.ingresses.stopReading()
	}
	g.acks.stop()
	if g.ingresses != nil {
		g.ingresses.close()
	}
	for _, c := range g.callers {
		c.Close()
	}
	g.loader.close()
	g.tasks.Wait()
	g.applier.wait()
	for _, e := range g.egresses {
		e.close()
	}
	g.requests.stop()
	for _, s := range g.stores {
		if s == nil {
			continue
		}
		if err := s.Close(); err != nil {
			g.log.Warn("close a shard", "shard", s.Shard(), "error", err)
		}
	}
}

// countdown closes zero after a number of Done calls.
type countdown struct {
	left atomic.Int64
	zero chan struct{}
}

func newCountdown(n int) *countdown {
	c := &countdown{zero: make(chan struct{})}
	c.left.Store(int64(n))
	return c
}

// Done counts one; further calls than n are ignored.
func (c *countdown) Done() {
	if c.left.Add(-1) == 0 {
		close(c.zero)
	}
}
