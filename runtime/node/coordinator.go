package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

// checkpointFloor is the shortest pause between two checkpoints that somebody waits for: at most a hundred in a second, however fast the bucket.
const checkpointFloor = core.Millis(10)

// coordinatorLoop runs the coordinator, and appends to the control log.
type coordinatorLoop struct {
	gen   *generation
	core  *core.Coordinator     // owned by run
	state *checkpoint.State     // owned by run
	waste *checkpoint.Collector // owned by run
	gone  map[string][]string   // positions to be forgotten with the next manifest, by ingress; guarded by mu
	bases []*checkpoint.Base    // to be named by the next manifest; guarded by mu

	collectable int // checkpoints since the last step of the garbage collection; owned by run

	mu     sync.Mutex
	events []core.CoordinatorEvent // guarded by mu
	last   *checkpoint.State       // as of the last commit, for others to read; guarded by mu
	wake   chan struct{}
	begun  atomic.Uint64 // the newest checkpoint that has begun
}

func newCoordinatorLoop(g *generation, state *checkpoint.State) *coordinatorLoop {
	c := &coordinatorLoop{
		gen: g, state: state.Clone(), waste: g.node.app.NewCollector(), last: state.Clone(), wake: make(chan struct{}, 1),
		core: core.NewCoordinator(core.CoordinatorConfig{
			Nodes: []core.NodeID{0}, Restored: state.Checkpoint, Now: g.now(),
			Every: core.Millis(g.node.cfg.CheckpointEvery.Milliseconds()), Floor: checkpointFloor,
		}),
	}
	c.begun.Store(uint64(state.Checkpoint))
	return c
}

func (c *coordinatorLoop) put(ev core.CoordinatorEvent) {
	c.mu.Lock()
	c.events = append(c.events, ev)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// nextEpoch is the epoch that the next checkpoint ends.
func (c *coordinatorLoop) nextEpoch() core.Epoch {
	return core.Epoch(c.begun.Load() + 1)
}

// committedState is what the bucket held as of the last commit.
func (c *coordinatorLoop) committedState() *checkpoint.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// addBase has the next manifest name a refreshed base.
func (c *coordinatorLoop) addBase(b *checkpoint.Base) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bases = append(c.bases, b)
}

// run steps the coordinator until ctx ends. While nothing is appended it looks once in a lease time whether somebody else leads.
func (c *coordinatorLoop) run(ctx context.Context) {
	var alarm core.Millis
	lease := c.gen.node.cfg.Lease
	proven := time.Now()
	for ctx.Err() == nil {
		events := c.take()
		now := c.gen.now()
		if alarm <= now {
			alarm = 0 // it rings; what was to be done then may ask for another
		}
		out := c.core.Step(core.Tick{Now: now}, nil)
		for _, ev := range events {
			out = c.core.Step(ev, out)
		}
		for len(out) > 0 {
			var next []core.CoordinatorEffect
			for _, e := range out {
				if a, ok := e.(core.Alarm); ok {
					alarm = a.At
					continue
				}
				if _, ok := e.(core.AppendManifest); ok {
					proven = time.Now()
				}
				next = append(next, c.perform(ctx, e)...)
			}
			out = next
		}
		if time.Since(proven) >= lease {
			proven = time.Now()
			c.check(ctx)
			c.collect(ctx)
		}
		c.wait(ctx, alarm, lease-time.Since(proven))
	}
}

func (c *coordinatorLoop) take() []core.CoordinatorEvent {
	c.mu.Lock()
	defer c.mu.Unlock()
	events := c.events
	c.events = nil
	return events
}

// wait sleeps until there are events, the alarm rings, or the log is to be looked at. The alarm may be over: what was performed
// since it was set takes time.
func (c *coordinatorLoop) wait(ctx context.Context, alarm core.Millis, check time.Duration) {
	pause := max(check, 0)
	if alarm > 0 {
		pause = min(pause, max(0, time.Until(c.gen.timeOf(alarm))))
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-c.wake:
	case <-timer.C:
	}
}

// perform does what an effect asks for; what follows from it at once is stepped and returned.
func (c *coordinatorLoop) perform(ctx context.Context, e core.CoordinatorEffect) []core.CoordinatorEffect {
	g := c.gen
	switch e := e.(type) {
	case core.BeginCheckpoint:
		c.begun.Store(uint64(e.Checkpoint))
		g.uploader.began(e.Checkpoint)
		g.broadcast(core.Begin(e))
	case core.AppendManifest:
		return c.append(ctx, e)
	case core.AnnounceCommit:
		g.node.metrics.committed(g.uploader.age(e.Checkpoint))
		g.broadcast(core.Committed(e))
		g.acks.committed(e.Checkpoint)
		g.ingresses.committed(e.Checkpoint, c.committedState().Positions)
		if c.collectable >= collectEvery {
			c.collectable = 0
			c.collect(ctx)
		}
	case core.CoordinatorDone:
		close(g.closed)
	case core.StepDown:
		g.fail(errors.Join(ErrDeposed, errors.New(e.Reason)))
	}
	return nil
}

// append commits a checkpoint.
func (c *coordinatorLoop) append(ctx context.Context, e core.AppendManifest) []core.CoordinatorEffect {
	commit := e.Segments[0].Ref.(checkpoint.Commit)
	c.mu.Lock()
	commit.Bases, c.bases = c.usable(c.bases), nil
	commit.Gone = c.forgotten(commit.Positions)
	c.mu.Unlock()
	commit.Time = max(commit.Time, c.state.Time)
	reign := c.gen.node.reign
	m, err := c.state.Next(commit, reign.Lineage())
	if err != nil {
		c.gen.fail(err)
		return nil
	}
	entry, err := c.appendEntry(ctx, reign, checkpoint.Entry{Manifest: m})
	if ctx.Err() != nil && err != nil {
		return nil
	}
	if errors.Is(err, checkpoint.ErrDeposed) {
		return c.core.Step(core.Deposed{Reason: err.Error()}, nil)
	}
	if err == nil {
		err = c.state.Apply(entry.Number, entry.Manifest)
	}
	if err != nil {
		c.gen.fail(err)
		return nil
	}
	c.waste.Committed(entry.Manifest)
	c.mu.Lock()
	c.last = c.state.Clone()
	c.mu.Unlock()
	c.collectable++
	out := c.core.Step(core.Tick{Now: c.gen.now()}, nil)
	return c.core.Step(core.Appended{Checkpoint: e.Checkpoint}, out)
}

// appendEntry appends until the outcome is known. What was not even tried, because the log could not be read after a long pause, it
// tries again for some time.
func (c *coordinatorLoop) appendEntry(ctx context.Context, reign *checkpoint.Reign, e checkpoint.Entry) (*checkpoint.Entry, error) {
	entry, err := reign.Append(ctx, e)
	for attempt := 0; err != nil && !errors.Is(err, checkpoint.ErrDeposed); attempt++ {
		if !reign.Pending() && (!retryable(err) || attempt >= restoreTries) {
			return nil, err
		}
		c.gen.log.Warn("append to the control log: not done yet", "checkpoint", e.Manifest.Checkpoint, "error", err)
		if !sleep(ctx, backoff(attempt)) {
			return nil, err
		}
		if reign.Pending() {
			entry, err = reign.Settle(ctx)
		} else {
			entry, err = reign.Append(ctx, e)
		}
	}
	return entry, err
}

// forget has the next manifest forget positions of an ingress: these, and none that were named for it before.
func (c *coordinatorLoop) forget(ingressID string, names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone == nil {
		c.gone = map[string][]string{}
	}
	c.gone[ingressID] = names
}

// forgotten are the positions to forget, but for those that move. It is called with mu held.
func (c *coordinatorLoop) forgotten(moved map[string][]byte) []string {
	var names []string
	for _, list := range c.gone {
		for _, name := range list {
			if _, moves := moved[name]; !moves {
				names = append(names, name)
			}
		}
	}
	clear(c.gone)
	return names // Next sorts them
}

// usable are the refreshed bases that are newer than the ones the state has.
func (c *coordinatorLoop) usable(bases []*checkpoint.Base) []*checkpoint.Base {
	var use []*checkpoint.Base
	for _, b := range bases {
		if old := c.state.Bases[b.Shard]; old == nil || b.Checkpoint > old.Checkpoint {
			use = append(use, b)
		}
	}
	return use
}

const (
	collectEvery = 16 // checkpoints between two steps of the garbage collection
	collectStep  = 32 // deletions in a step
)

// collect deletes a few objects that nothing needs any more. Restoring shards may still need what an older manifest names.
func (c *coordinatorLoop) collect(ctx context.Context) {
	if c.gen.pending.Load() > 0 {
		return
	}
	done, err := c.waste.Collect(ctx, c.gen.node.reign, c.state, collectStep)
	if err != nil && ctx.Err() == nil && !errors.Is(err, checkpoint.ErrPending) && !errors.Is(err, checkpoint.ErrDeposed) {
		c.gen.log.Warn("delete objects that are not needed any more", "error", err)
	}
	c.gen.node.metrics.collected.Add(uint64(done.Deleted)) //nolint:gosec // not negative
}

// check looks whether somebody else appended to the log.
func (c *coordinatorLoop) check(ctx context.Context) {
	err := c.gen.node.reign.Check(ctx)
	switch {
	case errors.Is(err, checkpoint.ErrDeposed):
		c.gen.fail(errors.Join(ErrDeposed, err))
	case err != nil && ctx.Err() == nil:
		c.gen.log.Warn("look at the control log", "error", err)
	}
}

// sleep waits; false if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// backoff is the pause before another try of something of the bucket's.
func backoff(attempt int) time.Duration {
	return min(10*time.Millisecond<<min(attempt, 10), 5*time.Second)
}
