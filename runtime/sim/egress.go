package sim

import (
	"fmt"
	"slices"

	"github.com/stateway/stateway/runtime/core"
)

// The egresses of the application.
const (
	egressOnce   = iota // at least once
	egressCommit        // after commit
	egressLetter        // dead letters, after commit
	egressStream        // the stream, after commit, at least once with a stable id
	egresses
)

var egressNames = [egresses]string{"sim/once", "sim/commit", "sim/letter", "sim/stream"}

// world is what has arrived outside.
type world struct {
	once  map[string]int    // records that were emitted at least once, by value
	lanes []lane            // of both after-commit egresses
	ids   map[stableID]bool // of after-commit records
	exact map[string]int    // after-commit records by value
	dead  map[uint64]int    // dead letters by program
}

type stableID struct {
	egress core.EgressID
	shard  core.ShardID
	key    core.OutboxKey
}

type lane struct {
	published core.CheckpointID
	owner     *publisher
}

func newWorld(lanes int) *world {
	return &world{
		once: map[string]int{}, lanes: make([]lane, lanes*egresses), ids: map[stableID]bool{},
		exact: map[string]int{}, dead: map[uint64]int{},
	}
}

// emitter is an at-least-once egress on a node.
type emitter struct {
	g    *generation
	open int // records that are not done
}

func (g *generation) openEgresses() {
	g.emitters = make([]*emitter, egresses)
	g.outlets = make([]*publisher, egresses)
	for id := range egresses {
		if !g.s.app.Egresses[id].AfterCommit {
			g.emitters[id] = &emitter{g: g}
			continue
		}
		g.outlets[id] = newPublisher(g, id)
	}
}

func (g *generation) emit(w *worker, e core.Emit) {
	g.s.active = g.s.now
	if em := g.emitters[e.Egress]; em != nil {
		if e.Checkpoint != 0 {
			g.s.fail("an at-least-once record of checkpoint %d", e.Checkpoint)
		}
		em.open += len(e.Records)
		em.emit(w, e.Records)
		return
	}
	g.s.model.committedBy(g, e.Checkpoint)
	p := g.outlets[e.Egress]
	p.records[e.Checkpoint] = append(p.records[e.Checkpoint], e.Records...)
}

func (s *Sim) egressFails() bool {
	failed := s.faulty(s.profile.egressFailed)
	if failed {
		s.count(EgressFailed)
	}
	return failed || s.now < s.noEgress
}

// emit has the records arrive, some of them twice.
func (em *emitter) emit(w *worker, records []*core.OutRecord) {
	g := em.g
	g.later(g.s.spread(800), func() {
		s := g.s
		if s.egressFails() {
			g.later(s.spread(60_000), func() { em.emit(w, records) })
			return
		}
		for _, r := range records {
			s.world.once[string(r.Arg)]++
		}
		if s.faulty(s.profile.egressLost) {
			s.count(EgressLost)
			g.later(s.spread(60_000), func() { em.emit(w, records) })
			return
		}
		g.later(s.spread(800), func() {
			em.open -= len(records)
			w.put(core.EgressDone{Records: records})
		})
	})
}

func (g *generation) emitEnd(w *worker, n core.CheckpointID) {
	for _, p := range g.outlets {
		if p != nil {
			i := int(w.id) - int(g.node)*g.s.profile.workers
			p.ends[i] = max(p.ends[i], n)
			p.wake(g.s.spread(200))
		}
	}
}

// publisher is an after-commit egress on a node. As runtime/node does it, a checkpoint goes out when all
// workers have handed over their records of it.
type publisher struct {
	g         *generation
	egress    int
	records   map[core.CheckpointID][]*core.OutRecord
	ends      []core.CheckpointID // by worker
	published []core.CheckpointID // by lane, as asked
	asked     []bool
	due       bool
	busy      bool
}

func newPublisher(g *generation, egress int) *publisher {
	lanes := len(g.s.world.lanes) / egresses
	p := &publisher{
		g: g, egress: egress, records: map[core.CheckpointID][]*core.OutRecord{},
		ends: make([]core.CheckpointID, len(g.workers)), published: make([]core.CheckpointID, lanes), asked: make([]bool, lanes),
	}
	for i, w := range g.workers {
		if !slices.Contains(g.plan.owners, w.id) {
			p.ends[i] = g.plan.state.Checkpoint // it has no shard to read records from, and may never be stepped
		}
	}
	return p
}

func (p *publisher) wake(pause int64) {
	if p.due || p.busy {
		return
	}
	p.due = true
	p.g.later(pause, func() {
		p.due = false
		p.publish()
	})
}

func (p *publisher) idle() bool { return !p.busy && len(p.records) == 0 }

// publish takes the oldest whole checkpoint.
func (p *publisher) publish() {
	whole := slices.Min(p.ends)
	first := core.CheckpointID(0)
	for n := range p.records {
		if n <= whole && (first == 0 || n < first) {
			first = n
		}
	}
	if first == 0 {
		return
	}
	records := p.records[first]
	delete(p.records, first)
	slices.SortFunc(records, compareRecords)
	if p.egress == egressStream {
		p.busy = true
		p.toStream(records, func() { p.done(records) })
		return
	}
	lanes := make([][]*core.OutRecord, len(p.published))
	for _, r := range records {
		l := int(r.Shard) % len(lanes)
		lanes[l] = append(lanes[l], r)
	}
	p.busy = true
	p.lane(first, lanes, 0, func() { p.done(records) })
}

func compareRecords(a, b *core.OutRecord) int {
	switch {
	case a.Shard != b.Shard:
		return int(a.Shard) - int(b.Shard)
	case a.Key.Less(b.Key):
		return -1
	}
	return 1
}

// lane publishes the records of one lane after the other.
func (p *publisher) lane(n core.CheckpointID, lanes [][]*core.OutRecord, l int, then func()) {
	for l < len(lanes) && len(lanes[l]) == 0 {
		l++
	}
	if l == len(lanes) {
		then()
		return
	}
	s := p.g.s
	p.g.later(s.spread(600), func() {
		if s.egressFails() {
			p.g.later(s.spread(60_000), func() { p.lane(n, lanes, l, then) })
			return
		}
		at := &s.world.lanes[p.egress*len(p.published)+l]
		if !p.asked[l] {
			p.asked[l] = true
			at.owner = p
			p.published[l] = at.published
		}
		if p.published[l] < n && !p.write(at, n, lanes[l]) {
			p.asked[l] = false
			p.g.later(s.spread(60_000), func() { p.lane(n, lanes, l, then) })
			return
		}
		p.published[l] = max(p.published[l], n)
		p.lane(n, lanes, l+1, then)
	})
}

// write has the records arrive, unless another publisher has fenced this one.
func (p *publisher) write(at *lane, n core.CheckpointID, records []*core.OutRecord) bool {
	s := p.g.s
	if at.owner != p {
		return false
	}
	if at.published >= n {
		s.fail("checkpoint %d is published to a lane that has %d", n, at.published)
	}
	at.published = n
	for _, r := range records {
		id := stableID{r.Egress, r.Shard, r.Key}
		if s.world.ids[id] {
			s.fail("record %v is published a second time", id)
		}
		if r.Key.Epoch.Checkpoint() != n {
			s.fail("record %v is published with checkpoint %d", id, n)
		}
		s.world.ids[id] = true
		if p.egress == egressLetter {
			s.world.dead[letterProgram(s, r.Arg)]++
		} else {
			s.world.exact[string(r.Arg)]++
		}
	}
	if s.faulty(s.profile.egressLost) {
		s.count(EgressLost)
		return false
	}
	return true
}

// toStream writes records to the stream, those that failed again, and all again whose answer was lost. They carry a stable id, by which
// the stream's readers drop repeats.
func (p *publisher) toStream(records []*core.OutRecord, then func()) {
	s := p.g.s
	p.g.later(s.spread(600), func() {
		if s.egressFails() {
			p.g.later(s.spread(60_000), func() { p.toStream(records, then) })
			return
		}
		var left []*core.OutRecord
		for _, r := range records {
			if s.faulty(s.profile.throttled / 2) {
				left = append(left, r)
				continue
			}
			id := fmt.Sprintf("%d-%d-%d", r.Shard, r.Key.Epoch, r.Key.Seq)
			prog, seq, _ := s.decodeMessage(r.Arg)
			s.stream.writeOwn(userRecord{p: prog, seq: seq, id: id})
		}
		if s.faulty(s.profile.egressLost) {
			s.count(EgressLost)
			left = records
		}
		if len(left) > 0 {
			p.g.later(s.spread(60_000), func() { p.toStream(left, then) })
			return
		}
		then()
	})
}

func (p *publisher) done(records []*core.OutRecord) {
	byOwner := make([][]*core.OutRecord, len(p.g.workers))
	for _, r := range records {
		i := int(p.g.plan.owners[r.Shard]) - int(p.g.node)*p.g.s.profile.workers
		byOwner[i] = append(byOwner[i], r)
	}
	for i, recs := range byOwner {
		if len(recs) > 0 {
			p.g.workers[i].put(core.EgressDone{Records: recs})
		}
	}
	p.busy = false
	p.wake(p.g.s.spread(100))
}
