package sim

import (
	"slices"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

// coordinator runs the coordinator of the core and commits, on the node that leads.
type coordinator struct {
	g         *generation
	core      *core.Coordinator
	state     *checkpoint.State
	collector *checkpoint.Collector
	bases     []*checkpoint.Base
	nodes     []bool // that have restored
	seen      []int64
	halts     []bool
	halting   bool
	alarm     core.Millis
	looked    int64 // at the log
	collects  bool
	open      bool       // a checkpoint is under way
	found     *discovery // nil without a stream
}

func newCoordinator(g *generation) *coordinator {
	n := len(g.plan.nodes)
	c := &coordinator{
		g: g, state: g.plan.state.Clone(), collector: g.p.app.NewCollector(),
		nodes: make([]bool, n), seen: make([]int64, n), halts: make([]bool, n), looked: g.s.now,
		core: core.NewCoordinator(core.CoordinatorConfig{
			Nodes: g.plan.ids, Restored: g.plan.state.Checkpoint, Now: max(g.plan.state.Time, g.p.now()),
			Every: core.Millis(g.s.profile.every),
		}),
	}
	for i := range c.seen {
		c.seen[i] = g.s.now
	}
	return c
}

func (c *coordinator) current() bool { return !c.g.over && c.g.p.lead == c }

func (c *coordinator) later(pause int64, f func()) {
	c.g.later(pause, func() {
		if c.current() {
			f()
		}
	})
}

func (c *coordinator) put(ev core.CoordinatorEvent) {
	c.step(core.Tick{Now: c.g.p.now()})
	if c.current() {
		c.step(ev)
	}
}

func (c *coordinator) step(ev core.CoordinatorEvent) {
	for _, e := range c.core.Step(ev, nil) {
		c.perform(e)
	}
}

func (c *coordinator) perform(e core.CoordinatorEffect) {
	g := c.g
	switch e := e.(type) {
	case core.Alarm:
		c.setAlarm(e.At)
	case core.BeginCheckpoint:
		c.open = true
		g.s.note("begin", uint64(e.Checkpoint), uint64(g.id))
		c.tell(func(g *generation) { g.tellAll(core.Begin(e)) })
	case core.AppendManifest:
		c.append(e)
	case core.AnnounceCommit:
		c.open = false
		g.s.model.announced(g, e.Checkpoint)
		c.tell(func(g *generation) {
			g.tellAll(core.Committed(e))
			g.acks.committed(e.Checkpoint)
		})
	case core.CoordinatorDone:
		g.s.model.haltedAll(g)
		g.p.reclaim()
	case core.StepDown:
		g.s.note("step down", uint64(g.id), uint64(g.p.id)) //nolint:gosec // small
		g.p.stopGeneration()
		g.p.seek()
	}
}

// tell has f run on every node, over the links of control.
func (c *coordinator) tell(f func(*generation)) {
	gen := c.g.id
	for _, o := range c.g.plan.nodes {
		c.g.p.linkTo(o).control.send(false, func() { o.receive(gen, f) })
	}
}

func (c *coordinator) setAlarm(at core.Millis) {
	c.alarm = at
	wait := int64(at-c.g.p.now())*1000 + 1000
	c.later(max(0, wait), func() {
		if c.alarm == at {
			c.alarm = 0
			c.step(core.Tick{Now: max(at, c.g.p.now())})
		}
	})
}

func (c *coordinator) append(e core.AppendManifest) {
	p := c.g.p
	commit := checkpoint.Commit{Checkpoint: e.Checkpoint, Time: c.state.Time, Positions: map[string][]byte{}}
	for _, s := range e.Segments {
		part := s.Ref.(checkpoint.Commit)
		commit.Time = max(commit.Time, part.Time)
		for name, at := range part.Positions {
			commit.Positions[name] = at
		}
		commit.Segments = append(commit.Segments, part.Segments...)
	}
	slices.SortStableFunc(c.bases, func(a, b *checkpoint.Base) int { return int(b.Checkpoint) - int(a.Checkpoint) }) //nolint:gosec // small
	for _, b := range c.bases {
		old := c.state.Bases[b.Shard]
		again := slices.ContainsFunc(commit.Bases, func(o *checkpoint.Base) bool { return o.Shard == b.Shard })
		if !again && (old == nil || b.Checkpoint > old.Checkpoint) && b.Checkpoint < e.Checkpoint {
			p.s.count(BaseRefreshed)
			commit.Bases = append(commit.Bases, b)
		}
	}
	c.bases = nil
	commit.Gone = c.found.forgotten(commit.Positions)
	m, err := c.state.Next(commit, p.reign.Lineage())
	if err != nil {
		p.s.fail("next manifest: %v", err)
	}
	p.append(checkpoint.Entry{Manifest: m}, func(entry *checkpoint.Entry) { c.appended(entry) }, func() {
		if c.current() {
			c.put(core.Deposed{Reason: "the log's next number is another's"})
		}
	})
}

func (c *coordinator) appended(entry *checkpoint.Entry) {
	if !c.current() {
		return
	}
	p := c.g.p
	p.s.active = p.s.now
	if err := c.state.Apply(entry.Number, entry.Manifest); err != nil {
		p.s.fail("apply manifest: %v", err)
	}
	c.collector.Committed(entry.Manifest)
	c.found.committed(c.state)
	c.put(core.Appended{Checkpoint: entry.Manifest.Checkpoint})
	if !c.current() {
		return
	}
	if p.again {
		p.reclaim()
		return
	}
	if p.s.faulty(p.s.profile.crashAfterCommit) {
		o := c.g.plan.nodes[p.s.rng.IntN(len(c.g.plan.nodes))]
		p.s.after(p.s.spread(30_000), func() {
			if o.alive {
				p.s.count(CrashAfterCommit)
				o.crash("soon after a commit")
			}
		})
	}
	c.collectSoon()
}

// collectSoon deletes what nobody needs, when no node restores any more.
func (c *coordinator) collectSoon() {
	if c.collects || !c.restored() || c.g.s.rng.IntN(3) > 0 {
		return
	}
	c.collects = true
	c.later(c.g.s.bucketDelay(), func() {
		c.collects = false
		if c.g.p.busy {
			return
		}
		done, err := c.collector.Collect(ctx, c.g.p.reign, c.state, 8)
		if err != nil {
			c.g.p.expect(err)
			return
		}
		if done.Deleted > 0 {
			c.g.s.count(ObjectsCollected)
		}
	})
}

func (c *coordinator) nodeRestored(node int) { c.nodes[node] = true }

func (c *coordinator) restored() bool { return !slices.Contains(c.nodes, false) }

// halt stops everything in an orderly way, to begin again with a new generation.
func (c *coordinator) halt() {
	c.halting = true
	c.tell(func(g *generation) {
		g.stopReading()
		g.tellAll(core.Halt{})
	})
}

func (c *coordinator) nodeHalted(node int) {
	c.halts[node] = true
	if !slices.Contains(c.halts, false) {
		c.put(core.Halt{})
	}
}

// watch looks for nodes that are gone and for another leader.
func (c *coordinator) watch() {
	s := c.g.s
	for i, o := range c.g.plan.nodes {
		if c.g.p.reaches(o) && (o.gen != nil && o.gen.id == c.g.id || o.newest < c.g.id) {
			c.seen[i] = s.now
		}
		if s.now-c.seen[i] >= s.profile.lease {
			s.note("node lost", uint64(i), uint64(c.g.id)) //nolint:gosec // small
			c.g.p.reclaim()
			return
		}
	}
	if s.now-c.looked < s.profile.lease || c.g.p.busy {
		return
	}
	c.looked = s.now
	if err := c.g.p.reign.Check(ctx); err != nil {
		if c.g.p.reign.Deposed() {
			c.put(core.Deposed{Reason: err.Error()})
			return
		}
		c.g.p.expect(err)
	}
}
