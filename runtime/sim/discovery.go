package sim

import (
	"slices"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// discovery finds the stream's shards and has them read, on the node that leads: the part of runtime/node that asks an ingress for its
// partitions. Which shards are read is decided by the real lineage.
type discovery struct {
	c       *coordinator
	running map[string]bool
	waiting []waitingShard
	gone    []string // positions to be forgotten with the next manifest
	turn    int
	tries   int // counts looks, so that one that was planned before does nothing
}

// waitingShard waits for a checkpoint that holds where it begins.
type waitingShard struct {
	id   core.PartitionID
	name string
}

const discoverEvery = 300_000 // µs

func (c *coordinator) discover() {
	if c.g.s.stream == nil {
		return
	}
	c.found = &discovery{c: c, running: map[string]bool{}, turn: c.g.s.rng.IntN(64)}
	c.found.soon(2_000)
}

// soon looks after a pause, and then now and then.
func (d *discovery) soon(mean int64) {
	d.tries++
	try := d.tries
	d.c.later(d.c.g.s.spread(mean), func() {
		if d.tries == try {
			d.look()
			d.soon(discoverEvery)
		}
	})
}

// look lists the shards, and begins to read those that may be.
func (d *discovery) look() {
	s := d.c.g.s
	if d.c.halting || len(d.waiting) > 0 { // what is begun is not known yet: it would be begun again, from another time on
		return
	}
	if s.faulty(s.profile.throttled) {
		s.count(ListThrottled)
		return
	}
	known := s.knownShards(d.c.state.Positions)
	parts, err := lineage.Partitions(known, s.stream.list(), s.stream.start())
	if err != nil {
		s.fail("list the stream's shards: %v", err)
	}
	d.forget(known, parts)
	for _, p := range parts {
		if d.running[p.ID] {
			continue
		}
		d.running[p.ID] = true
		if !p.Ended {
			d.open(p)
		}
	}
}

// start is where a stream of which nothing is known begins: with what comes from now on, or with the first record, in one of the two ways
// to say so.
func (st *stream) start() lineage.Start {
	switch st.s.profile.start {
	case lineage.Latest:
		return lineage.Start{Kind: lineage.Latest, Time: int64(st.s.clock())}
	case lineage.Date:
		begin := start / 1000
		return lineage.Start{Kind: lineage.Date, Time: begin, Seen: begin, Covering: st.covering()}
	case lineage.Earliest:
	}
	return lineage.Start{Kind: lineage.Earliest}
}

// forget has the next manifest forget what is known and not listed any more.
func (d *discovery) forget(known, parts []ingress.Partition) {
	d.gone = nil
	for _, k := range known {
		listed := slices.ContainsFunc(parts, func(p ingress.Partition) bool { return p.ID == k.ID })
		if listed || (d.running[k.ID] && !k.Ended) {
			continue
		}
		delete(d.running, k.ID)
		d.gone = append(d.gone, streamName+k.ID)
	}
}

// open has some worker read a shard.
func (d *discovery) open(p ingress.Partition) {
	g := d.c.g
	all := len(g.plan.nodes) * g.s.profile.workers
	owner := d.turn % all
	d.turn++
	id := core.PartitionID(len(g.s.sources) + 1 + d.turn*all + owner) //nolint:gosec // small
	name := streamName + p.ID
	_, fixed := d.c.state.Positions[name]
	if !fixed {
		d.waiting = append(d.waiting, waitingShard{id, name})
	}
	d.tell(id, func(g *generation) { g.openShard(id, p, fixed) })
}

func (d *discovery) tell(id core.PartitionID, f func(*generation)) {
	g := d.c.g
	o := g.plan.nodes[int(g.plan.reader(id))/g.s.profile.workers]
	gen := g.id
	g.p.linkTo(o).control.send(true, func() { o.receive(gen, f) })
}

// reader is the worker that reads a partition.
func (p *plan) reader(id core.PartitionID) core.WorkerID {
	i := int(id) - 1
	if i < len(p.readers) {
		return p.readers[i]
	}
	return core.WorkerID((i - len(p.readers)) % (len(p.nodes) * p.leader.s.profile.workers)) //nolint:gosec // small
}

// forgotten are the positions to forget with a checkpoint, but for those that move.
func (d *discovery) forgotten(moved map[string][]byte) (names []string) {
	if d == nil {
		return nil
	}
	for _, name := range d.gone {
		if _, moves := moved[name]; !moves {
			names = append(names, name)
		}
	}
	d.gone = nil
	return names
}

// committed lets the shards go on whose beginnings are held now, and looks for children if there are new ends.
func (d *discovery) committed(state *checkpoint.State) {
	if d == nil {
		return
	}
	st, m := d.c.g.s.stream, d.c.g.s.model
	m.scan()
	latest := m.reign == d.c.g.id // an overtaken leader may learn late that its manifest got through, and know no better
	for _, w := range d.waiting {
		if _, ok := state.Positions[w.name]; ok {
			d.tell(w.id, func(g *generation) { g.shardFixed(w.id) })
		}
	}
	d.waiting = slices.DeleteFunc(d.waiting, func(w waitingShard) bool { _, ok := state.Positions[w.name]; return ok })
	for _, sh := range st.shards {
		at, known := state.Positions[streamName+sh.id]
		switch {
		case known && at[0] == 1 && !st.ended[sh.id]:
			st.ended[sh.id] = true
			d.soon(1_000)
		case !latest:
		case known && at[0] == 0 && st.ended[sh.id]:
			st.s.fail("shard %s had ended, and is read again", sh.id)
		case !known && st.ended[sh.id] && !sh.gone:
			st.s.fail("shard %s is listed still, and its end is forgotten", sh.id)
		}
	}
}
