package node

import (
	"context"
	"errors"
	"math/rand/v2"
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
	core  *core.Coordinator   // owned by run
	state *checkpoint.State   // owned by run
	gone  map[string][]string // positions to be forgotten with the next manifest, by ingress; guarded by mu
	bases []*checkpoint.Base  // to be named by the next manifest; guarded by mu

	chores  *chores
	looking bool // a look at the log is under way; owned by run

	mu     sync.Mutex
	open   chan struct{}           // closed when the outcome of the append under way is known; nil while none is; guarded by mu
	events []core.CoordinatorEvent // guarded by mu
	last   *checkpoint.State       // as of the last commit, for others to read; guarded by mu
	wake   chan struct{}
	begun  atomic.Uint64 // the newest checkpoint that has begun
}

func newCoordinatorLoop(g *generation, state *checkpoint.State) *coordinatorLoop {
	c := &coordinatorLoop{
		gen: g, state: state.Clone(), chores: newChores(g), last: state.Clone(), wake: make(chan struct{}, 1),
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

// run steps the coordinator until ctx ends. While nothing is appended it has the log looked at once in a lease time, whether somebody else
// leads. It waits for the bucket only to append: looks and the garbage collection have goroutines of their own.
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
			if seen, ok := ev.(logLooked); ok {
				c.looked(ctx, seen)
				continue
			}
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
			c.look()
			c.chores.askCollection()
		}
		c.wait(ctx, alarm, lease-time.Since(proven))
	}
}

// look has the log looked at, unless a look is under way.
func (c *coordinatorLoop) look() {
	look, ok := c.gen.node.reign.Look()
	if !ok || c.looking {
		return
	}
	c.looking = true
	c.chores.looks <- look // of capacity 1, and there is never a second one
}

// looked takes what a look has seen.
func (c *coordinatorLoop) looked(ctx context.Context, l logLooked) {
	c.looking = false
	err := l.err
	if err == nil {
		err = c.gen.node.reign.Saw(l.seen)
	}
	switch {
	case errors.Is(err, checkpoint.ErrDeposed):
		c.gen.fail(errors.Join(ErrDeposed, err))
	case err != nil && ctx.Err() == nil:
		c.gen.log.Warn("look at the control log", "error", err)
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
		if e.Checkpoint%collectEvery == 0 {
			c.chores.askCollection()
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
	c.chores.committed(entry.Manifest)
	c.known(c.state.Clone())
	out := c.core.Step(core.Tick{Now: c.gen.now()}, nil)
	return c.core.Step(core.Appended{Checkpoint: e.Checkpoint}, out)
}

// appendEntry appends until the outcome is known. What was not even tried, because the log could not be read after a long pause, it
// tries again for some time.
func (c *coordinatorLoop) appendEntry(ctx context.Context, reign *checkpoint.Reign, e checkpoint.Entry) (*checkpoint.Entry, error) {
	c.mu.Lock()
	c.open = make(chan struct{})
	c.mu.Unlock()
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

// known tells that the append under way has committed, with the state as it is now.
func (c *coordinatorLoop) known(state *checkpoint.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = state
	close(c.open)
	c.open = nil
}

// newest waits until no outcome of an append is open, and returns the newest committed state: for the garbage collection.
func (c *coordinatorLoop) newest(ctx context.Context) (*checkpoint.State, error) {
	for {
		c.mu.Lock()
		open, last := c.open, c.last
		c.mu.Unlock()
		if open == nil {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-open:
		}
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

// backoff is the pause before another try of something of the bucket's, with jitter: of several processes that meet the same trouble, each
// tries again at its own time.
func backoff(attempt int) time.Duration {
	d := min(10*time.Millisecond<<min(attempt, 10), 5*time.Second)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter
}
