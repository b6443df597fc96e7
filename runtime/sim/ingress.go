package sim

import (
	"encoding/binary"

	"github.com/stateway/stateway/runtime/core"
)

// source is a partition of an ingress: records in order, each with a position.
type source struct {
	name    string
	id      core.PartitionID
	dedupe  bool // its records carry ids, and it repeats old ones at times
	records []record
	next    map[int]uint64 // of an Address, the number of the partition's next message to it
}

// record is one record, routed.
type record struct {
	at       int64 // from when it can be read
	messages []*program
	seqs     []uint64
	copies   []*copies // nil without a dedupe id
}

func (r *record) add(p *program, seq uint64, c *copies) {
	r.messages, r.seqs, r.copies = append(r.messages, p), append(r.seqs, seq), append(r.copies, c)
}

// reader reads a source in a generation, at one worker.
type reader struct {
	g      *generation
	src    *source
	w      *worker
	at     int   // the next record
	credit int64 // bytes that may still be read
	out    int64 // bytes read and not given back
	due    bool
	over   bool
}

const (
	readerCredit = 4 << 10
	shortEvery   = 50_000 // microseconds
)

func (g *generation) startReaders() {
	for i, src := range g.s.sources {
		w := g.own(g.plan.readers[i])
		if w == nil {
			g.readers = append(g.readers, nil)
			continue
		}
		r := &reader{g: g, src: src, w: w, credit: readerCredit}
		if at := g.plan.state.Positions[src.name]; at != nil {
			r.at = int(binary.BigEndian.Uint64(at)) //nolint:gosec // as written below
		}
		g.readers = append(g.readers, r)
		r.poll(g.s.spread(2_000))
	}
}

func (g *generation) stopReading() {
	for _, r := range g.readers {
		if r != nil {
			r.over = true
		}
	}
	for _, r := range g.streamReaders {
		r.over = true
	}
	g.acks.over = true
}

func (r *reader) poll(pause int64) {
	if r.due {
		return
	}
	r.due = true
	r.g.later(pause, func() {
		r.due = false
		r.read()
	})
}

// read reads some of what is there, within the credit.
func (r *reader) read() {
	s := r.g.s
	if r.over {
		return
	}
	var ms []*core.Message
	for n := 1 + s.rng.IntN(4); n > 0 && r.credit > 0 && r.at < len(r.src.records); n-- {
		rec := &r.src.records[r.at]
		if rec.at > s.now {
			break
		}
		ms = r.take(ms, r.at)
		r.at++
	}
	if len(ms) > 0 {
		s.active = s.now
		r.w.put(core.Records{
			Partition: r.src.id, Name: r.src.name,
			Position: binary.BigEndian.AppendUint64(nil, uint64(r.at)), Messages: ms, //nolint:gosec // not negative
		})
	}
	if r.src.dedupe && r.at > 0 && r.credit > 0 && s.faulty(0.1) {
		s.count(RecordsTwice)
		r.w.put(core.Records{Partition: r.src.id, Name: r.src.name, Messages: r.repeat(s.rng.IntN(r.at))})
	}
	if r.at < len(r.src.records) && r.credit > 0 {
		r.poll(max(s.spread(2_000), r.src.records[r.at].at-s.now))
	}
	if r.at < len(r.src.records) && r.credit <= 0 {
		r.g.creditShort()
	}
}

// creditShort tells all workers, and again after a while if there is still a partition without credit.
func (g *generation) creditShort() {
	if g.short {
		return
	}
	g.short = true
	g.s.count(CreditShort)
	g.everywhere(core.CreditShort{})
	g.later(shortEvery, func() {
		g.short = false
		if g.readersShort() {
			g.creditShort()
		}
	})
}

func (g *generation) readersShort() bool {
	for _, r := range g.readers {
		if r != nil && !r.over && r.at < len(r.src.records) && r.credit <= 0 {
			return true
		}
	}
	for _, r := range g.streamReaders {
		if !r.over && !r.ended && r.at < len(r.shard.records) && r.credit <= 0 {
			return true
		}
	}
	return false
}

// take makes the messages of a record, which use credit.
func (r *reader) take(ms []*core.Message, at int) []*core.Message {
	rec := &r.src.records[at]
	for i, p := range rec.messages {
		m := &core.Message{Target: r.g.s.model.addrs[p.target], Arg: p.encode(rec.seqs[i], fromSource+uint32(r.src.id))} //nolint:gosec // small
		if c := rec.copies[i]; c != nil {
			m.Dedupe = c.id
			c.sent(p, r.g.s.clock())
		}
		r.g.s.note("read "+r.src.name, p.id, rec.seqs[i])
		ms = r.use(ms, m)
	}
	return ms
}

// repeat makes messages with the ids of a record's. Each is a program of its own, so that what becomes of it is seen.
func (r *reader) repeat(at int) (ms []*core.Message) {
	for _, c := range r.src.records[at].copies {
		if c != nil {
			ms = r.use(ms, r.g.s.copyOf(c))
		}
	}
	return ms
}

// use counts a message against the credit.
func (r *reader) use(ms []*core.Message, m *core.Message) []*core.Message {
	r.credit -= m.Size()
	r.out += m.Size()
	return append(ms, m)
}

// credit gives a reader back what it had used.
func (g *generation) credit(e core.Credit) {
	if int(e.Partition) > len(g.readers) {
		g.creditStream(e)
		return
	}
	r := g.readers[e.Partition-1]
	if r == nil {
		g.s.fail("credit for partition %d, which this node does not read", e.Partition)
	}
	r.credit += e.Bytes
	if r.out -= e.Bytes; r.out < 0 {
		g.s.fail("partition %d got %d bytes of credit more than it had used", e.Partition, -r.out)
	}
	r.poll(g.s.spread(200))
}

// client sends one request again and again until it is answered.
type client struct {
	s      *Sim
	prog   *program
	copies *copies // of the request
	plain  bool    // it carries no id, so that it is sent once
	sent   bool
	acked  bool
	resend int // counts tries, so that a timeout of an older one does nothing
}

// send sends the request to some node.
func (c *client) send() {
	s := c.s
	if c.done() {
		return
	}
	c.resend++
	try := c.resend
	s.after(100_000+s.spread(400_000), func() {
		if c.resend == try {
			if c.sent && !c.done() {
				s.count(RequestTwice)
			}
			c.send()
		}
	})
	m := s.machines[s.rng.IntN(len(s.machines))]
	if m.proc == nil || m.proc.gen == nil || m.proc.gen.acks.over {
		return
	}
	g := m.proc.gen
	times := 1
	if !c.plain && s.faulty(0.1) {
		s.count(RequestTwice)
		times = 2
	}
	for range times {
		w := g.workers[s.rng.IntN(len(g.workers))]
		n := g.acks.add(c)
		s.active = s.now
		msg := c.message()
		msg.Request = core.RequestID{Worker: w.id, N: n}
		w.put(core.Records{Messages: []*core.Message{msg}})
	}
}

// message is what is sent this time.
func (c *client) message() *core.Message {
	s := c.s
	if c.sent {
		return s.copyOf(c.copies)
	}
	c.sent = true
	m := &core.Message{Target: s.model.addrs[c.prog.target], Arg: c.prog.encode(0, fromNobody)}
	if !c.plain {
		m.Dedupe = c.copies.id
		c.copies.sent(c.prog, s.clock())
	}
	return m
}

// done reports whether nothing is left to be tried.
func (c *client) done() bool { return c.acked || (c.plain && c.sent) }

func (c *client) answered() {
	c.acked = true
	c.s.active = c.s.now
}

// acks answers clients when their messages are in a committed checkpoint.
type acks struct {
	n     uint64
	open  map[uint64]*client
	ready []waiting
	done  core.CheckpointID
	over  bool
}

type waiting struct {
	c     *client
	epoch core.Epoch
}

func newAcks() acks { return acks{open: map[uint64]*client{}} }

func (a *acks) add(c *client) uint64 {
	a.n++
	a.open[a.n] = c
	return a.n
}

func (a *acks) accepted(e core.Accepted) {
	c := a.open[e.Request.N]
	if c == nil {
		return
	}
	delete(a.open, e.Request.N)
	if e.Epoch.Checkpoint() <= a.done {
		c.answered()
		return
	}
	a.ready = append(a.ready, waiting{c, e.Epoch})
}

func (a *acks) committed(n core.CheckpointID) {
	a.done = max(a.done, n)
	left := a.ready[:0]
	for _, r := range a.ready {
		if r.epoch.Checkpoint() <= n {
			r.c.answered()
		} else {
			left = append(left, r)
		}
	}
	a.ready = left
}

func (a *acks) stop() {
	a.over = true
	a.ready = nil
	clear(a.open)
}

// sourcesDone reports whether everything was read and every request answered.
func (s *Sim) sourcesDone() bool {
	for _, c := range s.clients {
		if !c.done() {
			return false
		}
	}
	if s.stream != nil && s.stream.due > 0 {
		return false
	}
	for i, src := range s.sources {
		done := false
		for _, m := range s.machines {
			if m.proc != nil && m.proc.gen != nil && m.proc.gen.readers[i] != nil {
				done = done || m.proc.gen.readers[i].at == len(src.records)
			}
		}
		if !done {
			return false
		}
	}
	return true
}
