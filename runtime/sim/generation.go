package sim

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// plan is who does what in a generation; all of its nodes share it.
type plan struct {
	gen     core.Generation
	leader  *process
	nodes   []*process
	ids     []core.NodeID
	owners  []core.WorkerID // by shard
	readers []core.WorkerID // by source
	state   *checkpoint.State
	lineage checkpoint.Lineage
}

func (s *Sim) newPlan(gen core.Generation, leader *process, nodes []*process, state *checkpoint.State) *plan {
	p := &plan{gen: gen, leader: leader, nodes: nodes, state: state, lineage: leader.reign.Lineage()}
	all := len(nodes) * s.profile.workers
	turn := s.rng.IntN(all)
	for i := range s.profile.shards {
		p.owners = append(p.owners, core.WorkerID((i+turn)%all)) //nolint:gosec // small
	}
	for range s.sources {
		p.readers = append(p.readers, core.WorkerID(s.rng.IntN(all))) //nolint:gosec // small
	}
	for i := range nodes {
		p.ids = append(p.ids, core.NodeID(i)) //nolint:gosec // small
	}
	return p
}

// generation is what a process does between two restores.
type generation struct {
	s       *Sim
	p       *process
	plan    *plan
	id      core.Generation
	node    core.NodeID
	over    bool
	workers []*worker
	stores  []*shard.Store // by shard, nil if it is another's or not restored yet
	left    int            // shards that are not restored yet
	cuts    int
	eras    [endpoints]int    // of the functions' code when it began
	stored  core.CheckpointID // whose segment is in the bucket
	halted  int

	parts    map[core.CheckpointID][]core.Part
	sections map[*core.Overlay]*checkpoint.Section
	applying map[core.ShardID][]*core.Overlay
	callers  []caller
	emitters []*emitter
	outlets  []*publisher
	acks     acks
	readers  []*reader
	short    bool // the workers were told so a moment ago

	streamReaders []*streamReader // in the order in which they began
}

func newGeneration(p *process, plan *plan) *generation {
	g := &generation{
		s: p.s, p: p, plan: plan, id: plan.gen, stores: make([]*shard.Store, p.s.profile.shards),
		parts: map[core.CheckpointID][]core.Part{}, sections: map[*core.Overlay]*checkpoint.Section{},
		applying: map[core.ShardID][]*core.Overlay{}, acks: newAcks(),
	}
	for i, o := range plan.nodes {
		if o == p {
			g.node = plan.ids[i]
		}
	}
	return g
}

// later runs f after a pause, unless the generation is over by then.
func (g *generation) later(pause int64, f func()) {
	g.s.after(pause, func() {
		if !g.over {
			f()
		}
	})
}

// begin makes the workers and restores the shards.
func (g *generation) begin() {
	g.s.note("generation begins", uint64(g.id), uint64(g.p.id)) //nolint:gosec // small
	if g.p.set != nil {
		g.p.m.disk.Crash(func(core.ShardID) bool { return true }) // what survives in the process survives
	}
	set, err := shard.Open(shard.Options{Memory: g.p.m.disk, ID: g.p.m.dir, Application: g.p.app.ID, Log: g.s.log})
	if err != nil {
		g.s.fail("open the disk: %v", err)
	}
	g.p.set = set
	for i := range g.s.profile.workers {
		g.workers = append(g.workers, g.newWorker(core.WorkerID(int(g.node)*g.s.profile.workers+i))) //nolint:gosec // small
	}
	for i, code := range g.s.code {
		g.eras[i] = code.era
	}
	g.openEndpoints()
	g.openEgresses()
	for id, owner := range g.plan.owners {
		if g.own(owner) != nil {
			g.left++
			g.restore(core.ShardID(id), owner) //nolint:gosec // small
		}
	}
	if g.left == 0 {
		g.restored()
	}
	g.startReaders()
}

// own is the worker of an id, nil if it is another node's.
func (g *generation) own(id core.WorkerID) *worker {
	i := int(id) - int(g.node)*g.s.profile.workers
	if i < 0 || i >= len(g.workers) {
		return nil
	}
	return g.workers[i]
}

func (g *generation) newWorker(id core.WorkerID) *worker {
	next := map[core.ShardID]core.Seq{}
	for i := range g.s.profile.shards {
		id := core.ShardID(i) //nolint:gosec // small
		if seq := g.plan.state.Past(id).NextSeq; seq > 0 {
			next[id] = seq
		}
	}
	w, err := core.NewWorker(core.WorkerConfig{
		ID: id, Node: g.node, Nodes: g.plan.ids, Generation: g.id, Nonce: g.p.nonce,
		Sharding: g.s.sharding, Owners: g.plan.owners, App: g.s.app,
		Restored: g.plan.state.Checkpoint, Now: g.plan.state.Time, NextSeq: next,
		Memory: g.s.profile.memory, DedupeFor: g.s.profile.window,
	})
	if err != nil {
		g.s.fail("new worker: %v", err)
	}
	return &worker{g: g, id: id, core: w, now: g.plan.state.Time}
}

// stop gives up everything.
func (g *generation) stop() {
	g.s.note("generation ends", uint64(g.id), uint64(g.p.id)) //nolint:gosec // small
	g.over = true
	g.acks.stop()
}

// broadcast gives an event to every worker of the node.
func (g *generation) broadcast(ev core.Event) {
	for _, w := range g.workers {
		w.put(ev)
	}
}

// tellAll gives every worker of the node what the coordinator says.
func (g *generation) tellAll(ev core.Event) {
	for _, w := range g.workers {
		w.tell(ev)
	}
}

// toLeader has f run where the generation is led.
func (g *generation) toLeader(f func(*coordinator)) {
	leader := g.plan.leader
	g.p.linkTo(leader).control.send(true, func() {
		if leader.lead != nil && leader.gen.id == g.id {
			f(leader.lead)
		}
	})
}

// toNode has f run on a node of the generation, over the link of frames.
func (g *generation) toNode(node int, once bool, f func(*generation)) {
	to, gen := g.plan.nodes[node], g.id
	g.p.linkTo(to).data.send(once, func() { to.receive(gen, f) })
}

// toWorker has f run where a worker is.
func (g *generation) toWorker(id core.WorkerID, f func(*worker)) {
	if w := g.own(id); w != nil {
		f(w)
		return
	}
	g.toNode(int(id)/g.s.profile.workers, true, func(g *generation) { f(g.own(id)) })
}

// epochEnded counts a cut. When all workers have cut, all nodes are told, behind the frames of the epoch.
func (g *generation) epochEnded(e core.Epoch) {
	if g.cuts++; g.cuts < len(g.workers) {
		return
	}
	g.cuts = 0
	g.everywhere(core.EndOfEpoch{Node: g.node, Epoch: e})
}

// everywhere tells the workers of all nodes.
func (g *generation) everywhere(ev core.Event) {
	g.broadcast(ev)
	for i, o := range g.plan.nodes {
		if o != g.p {
			g.toNode(i, false, func(g *generation) { g.broadcast(ev) })
		}
	}
}

// restore fills a shard's store up to the restore point: from the disk, a base, and segments.
func (g *generation) restore(id core.ShardID, owner core.WorkerID) {
	past := g.plan.state.Past(id)
	want := shard.Want{Point: g.plan.state.Checkpoint, InChain: g.inChain}
	if past.Base != nil {
		want.Base = past.Base.Checkpoint
	}
	st, err := g.p.set.Store(id, want)
	if err != nil {
		g.s.fail("open shard %d: %v", id, err)
	}
	g.restoreBase(st, past, func() { g.restoreSections(st, past.Sections, func() { g.serve(st, owner) }) })
}

// inChain reports whether a store's checkpoint is of the restore point's past.
func (g *generation) inChain(n core.CheckpointID, lineage string) bool {
	l, ok := g.plan.state.LineageOf(n)
	return ok && lineageText(l) == lineage
}

func lineageText(l checkpoint.Lineage) string {
	return string(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(l.Generation)), l.Nonce))
}

func (g *generation) restoreBase(st *shard.Store, past checkpoint.ShardPast, then func()) {
	if past.Base == nil || st.Meta().Checkpoint >= past.Base.Checkpoint {
		then()
		return
	}
	g.later(g.s.bucketDelay(), func() {
		if err := g.fetchBase(st, past.Base); err != nil {
			if g.overtaken(err) {
				return
			}
			g.later(g.s.backoff(), func() { g.restoreBase(st, past, then) })
			return
		}
		then()
	})
}

// restoreSections commits what the store lacks, section by section.
func (g *generation) restoreSections(st *shard.Store, sections []checkpoint.SectionAt, then func()) {
	for len(sections) > 0 && sections[0].Segment.Checkpoint <= st.Meta().Checkpoint {
		sections = sections[1:]
	}
	if len(sections) == 0 {
		then()
		return
	}
	g.later(g.s.bucketDelay()/2, func() {
		seg := sections[0].Segment
		err := g.p.app.ReadSections(ctx, seg, []core.ShardID{st.Shard()}, func(_ core.ShardID, sec *checkpoint.Section) error {
			l, ok := g.plan.state.LineageOf(seg.Checkpoint)
			if !ok {
				return fmt.Errorf("checkpoint %d has no lineage", seg.Checkpoint)
			}
			st.SetLineage(lineageText(l))
			return st.Commit(seg.Checkpoint, sec.NextSeq(), sec.Rows())
		})
		if err != nil {
			if g.overtaken(err) {
				return
			}
			g.later(g.s.backoff(), func() { g.restoreSections(st, sections, then) })
			return
		}
		g.restoreSections(st, sections[1:], then)
	})
}

// overtaken ends the generation if an object was missing because a later generation deleted it, and the process if its disk
// failed. Other errors must be those that were made to happen: the restore is tried again.
func (g *generation) overtaken(err error) bool {
	if errors.Is(err, errDisk) {
		g.storeFailed(err)
		return true
	}
	if errors.Is(err, checkpoint.ErrDamaged) {
		g.s.model.scan()
		if g.s.model.reign > g.id {
			g.p.stopGeneration()
			g.p.seek()
			return true
		}
	}
	g.p.expect(err)
	return false
}

// serve tells the worker that a shard is there.
func (g *generation) serve(st *shard.Store, owner core.WorkerID) {
	st.SetLineage(lineageText(g.plan.lineage))
	specs, err := st.Specs()
	if err != nil {
		g.s.fail("specs of shard %d: %v", st.Shard(), err)
	}
	names, err := st.OutboxEgresses()
	if err != nil {
		g.s.fail("outbox of shard %d: %v", st.Shard(), err)
	}
	letters, size, err := st.CountFailures()
	if err != nil {
		g.s.fail("dead letters of shard %d: %v", st.Shard(), err)
	}
	ev := core.ShardRestored{Shard: st.Shard(), Empty: st.Empty(), Specs: specs, Letters: letters, LetterBytes: size}
	for _, name := range names {
		for id := range g.s.app.Egresses {
			if g.s.app.Egresses[id].Name == name {
				ev.Egresses = append(ev.Egresses, core.EgressID(id)) //nolint:gosec // small
			}
		}
	}
	g.stores[st.Shard()] = st
	g.own(owner).put(ev)
	if g.left--; g.left == 0 {
		g.restored()
	}
}

// restored tells the leader that this node does not read old segments any more.
func (g *generation) restored() {
	node := int(g.node)
	g.toLeader(func(c *coordinator) { c.nodeRestored(node) })
}
