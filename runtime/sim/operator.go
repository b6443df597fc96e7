package sim

import "github.com/stateway/stateway/runtime/core"

// drops are the messages that an operator has dropped.
type drops struct {
	asked []drop // Request counts them, from 1
	open  []drop // that may yet be rolled back
	last  core.CheckpointID
}

// drop is one message that is dropped.
type drop struct {
	p    *program
	gen  core.Generation
	from core.CheckpointID // committed when it was dropped
}

// drop drops the head message of a held Address, at times, if it is known which that is: the last try's of this generation.
func (m *model) drop(g *generation, a core.Address) (core.Drop, bool) {
	t := m.inflight[flight{g.id, a}]
	if t == nil || t.alone == nil || !m.s.chance(0.4) {
		return core.Drop{}, false
	}
	m.drops.asked = append(m.drops.asked, drop{p: t.alone, gen: g.id})
	t.alone = nil // asked once
	return core.Drop{Request: uint64(len(m.drops.asked)), Address: a}, true
}

// done notes that a message was dropped. It is gone for good when the checkpoint has committed that holds the drop.
func (d *drops) done(g *generation, e core.OperatorDone) {
	if e.Request == 0 || e.Problem != "" {
		return
	}
	it := d.asked[e.Request-1]
	g.s.count(HeadDropped)
	g.s.active = g.s.now
	g.s.note("dropped", it.p.id, 0)
	it.p.dropped = true
	it.from = max(d.last, g.plan.state.Checkpoint)
	g.s.model.gaps[g.s.model.addrs[it.p.target]] = true
	d.open = append(d.open, it)
}

// committed: a worker is two epochs beyond the last commit at most.
func (d *drops) committed(gen core.Generation, n core.CheckpointID) {
	d.last = n
	for _, it := range d.open {
		if it.gen == gen && n >= it.from+2 {
			it.p.gone = gen
		}
	}
}
