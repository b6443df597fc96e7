package sim

import (
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// streamReader reads one shard of the stream in a generation, at one worker, as the node and its Kinesis ingress do together.
type streamReader struct {
	g      *generation
	shard  *streamShard
	id     core.PartitionID
	w      *worker
	pos    lineage.Position
	at     int // the next record
	sub    int // of its messages, how many were read
	credit int64
	out    int64
	fixed  bool // a checkpoint holds where it begins
	due    bool
	over   bool
	ended  bool
}

const streamName = "stream "

// encodePosition is a position as a manifest keeps it: whether the shard has ended, then the bytes of lineage.
func encodePosition(ended bool, at []byte) []byte {
	if ended {
		return append([]byte{1}, at...)
	}
	return append([]byte{0}, at...)
}

// knownShards are the shards that committed positions name.
func (s *Sim) knownShards(positions map[string][]byte) (known []ingress.Partition) {
	for _, sh := range s.stream.shards {
		if at := positions[streamName+sh.id]; at != nil {
			known = append(known, ingress.Partition{ID: sh.id, Position: at[1:], Ended: at[0] == 1})
		}
	}
	return known
}

// openShard begins to read a shard, once a checkpoint holds where.
func (g *generation) openShard(id core.PartitionID, p ingress.Partition, fixed bool) {
	if g.acks.over { // the node halts
		return
	}
	s := g.s
	pos, err := lineage.ParsePosition(p.Position)
	if err != nil {
		s.fail("shard %s: %v", p.ID, err)
	}
	r := &streamReader{g: g, shard: s.stream.shard(p.ID), id: id, w: g.own(g.plan.reader(id)), pos: pos, fixed: fixed, credit: readerCredit}
	g.streamReaders = append(g.streamReaders, r)
	s.note("open "+p.ID, uint64(id), uint64(g.id))
	r.find()
	if fixed {
		r.poll(s.spread(2_000))
		return
	}
	r.w.put(core.Records{Partition: r.id, Name: streamName + p.ID, Position: encodePosition(false, p.Position)})
}

// shardFixed: a checkpoint holds where a shard begins.
func (g *generation) shardFixed(id core.PartitionID) {
	for _, r := range g.streamReaders {
		if r.id == id && !r.fixed {
			r.fixed = true
			r.poll(g.s.spread(2_000))
		}
	}
}

// find finds the record where the position is.
func (r *streamReader) find() {
	records := r.shard.records
	for ; r.at < len(records); r.at++ {
		rec := &records[r.at]
		switch r.pos.Kind {
		case lineage.AtTime:
			if int64(rec.arrived) >= r.pos.Time {
				return
			}
		case lineage.After:
			if lineage.CompareSequence(rec.sequence, r.pos.Sequence) > 0 {
				return
			}
		case lineage.Within:
			if rec.sequence == r.pos.Sequence {
				r.g.s.count(AggregateResumed)
				r.sub = r.pos.Sub
				return
			}
		case lineage.Horizon:
			return
		}
	}
}

func (r *streamReader) poll(pause int64) {
	if r.due || !r.fixed || r.ended {
		return
	}
	r.due = true
	r.g.later(pause, func() {
		r.due = false
		r.read()
	})
}

// read reads some of what is there, within the credit, and the end behind it.
func (r *streamReader) read() {
	s := r.g.s
	switch {
	case r.over || r.ended:
		return
	case s.faulty(s.profile.throttled):
		s.count(StreamThrottled)
		r.poll(20_000 + s.spread(100_000))
		return
	case r.shard.gone: // somebody committed its end, whom this node does not know yet
		r.poll(s.spread(300_000))
		return
	}
	var ms []*core.Message
	for n := 1 + s.rng.IntN(6); n > 0 && r.credit > 0 && r.at < len(r.shard.records); n-- {
		ms = append(ms, r.take())
	}
	if len(ms) > 0 {
		s.active = s.now
		r.put(false, ms)
	}
	switch {
	case r.at < len(r.shard.records):
		if r.credit > 0 {
			r.poll(s.spread(2_000))
		} else {
			r.g.creditShort()
		}
	case r.shard.closed:
		r.ended = true
		s.note("end of "+r.shard.id, uint64(r.id), uint64(r.g.id))
		r.put(true, nil)
	}
}

// take makes the next message, and moves the position behind it: into an aggregate if more of it is left.
func (r *streamReader) take() *core.Message {
	rec := &r.shard.records[r.at]
	u := rec.users[r.sub]
	seen := r.pos.Seen
	r.sub++
	r.pos = lineage.Position{Kind: lineage.Within, Sequence: rec.sequence, Sub: r.sub, Origin: r.pos.Origin, Seen: seen}
	if r.sub == len(rec.users) {
		r.at++
		r.sub = 0
		r.pos.Kind, r.pos.Sub, r.pos.Seen = lineage.After, 0, int64(rec.arrived)
	}
	s := r.g.s
	from := fromStream
	if u.seq == 0 {
		from = fromNobody
	}
	m := &core.Message{Target: s.model.addrs[u.p.target], Arg: u.p.encode(u.seq, from), Dedupe: u.id}
	s.note("read "+r.shard.id, u.p.id, u.seq)
	r.credit -= m.Size()
	r.out += m.Size()
	return m
}

func (r *streamReader) put(ended bool, ms []*core.Message) {
	at, err := r.pos.Encode(nil)
	if err != nil {
		r.g.s.fail("position in shard %s: %v", r.shard.id, err)
	}
	r.w.put(core.Records{Partition: r.id, Name: streamName + r.shard.id, Position: encodePosition(ended, at), Messages: ms})
}

// creditStream gives a reader of the stream back what it had used.
func (g *generation) creditStream(e core.Credit) {
	for _, r := range g.streamReaders {
		if r.id != e.Partition {
			continue
		}
		r.credit += e.Bytes
		if r.out -= e.Bytes; r.out < 0 {
			g.s.fail("shard %s got %d bytes of credit more than it had used", r.shard.id, -r.out)
		}
		r.poll(g.s.spread(200))
		return
	}
	g.s.fail("credit for partition %d, which this node does not read", e.Partition)
}

func (s *Sim) eachStreamReader(f func(*streamReader)) {
	for _, m := range s.machines {
		if m.proc == nil || m.proc.gen == nil {
			continue
		}
		for _, r := range m.proc.gen.streamReaders {
			f(r)
		}
	}
}

// leftOfStream says what of the stream is not read yet.
func (s *Sim) leftOfStream() string {
	if s.stream == nil {
		return ""
	}
	if s.stream.due > 0 {
		return "records are not written yet"
	}
	read := map[string]bool{}
	stuck := ""
	s.eachStreamReader(func(r *streamReader) {
		read[r.shard.id] = true
		if r.at < len(r.shard.records) || r.out != 0 || (r.shard.closed && !r.ended) {
			stuck = "shard " + r.shard.id + " is not read to its end"
		}
	})
	origin := s.streamOrigin()
	for _, sh := range s.stream.shards {
		before := sh.closed && sh.end <= origin
		if !read[sh.id] && !s.stream.ended[sh.id] && !before {
			return "shard " + sh.id + " is not read at all"
		}
	}
	return stuck
}

// judgeStream: what was written since the stream's start came through.
func (v *verdict) judgeStream() {
	st := v.s.stream
	if st == nil {
		return
	}
	for _, p := range st.roots {
		v.mustOfStream(p)
	}
}

// streamOrigin is from when on the stream is read, as its positions say; zero if nobody leads or nothing is known.
func (s *Sim) streamOrigin() core.Millis {
	for _, m := range s.machines {
		if m.proc == nil || m.proc.lead == nil {
			continue
		}
		for _, k := range s.knownShards(m.proc.lead.state.Positions) {
			if p, err := lineage.ParsePosition(k.Position); err == nil {
				return core.Millis(p.Origin)
			}
		}
	}
	return 0
}

func (v *verdict) mustOfStream(p *program) {
	at, written := v.s.stream.newest[p.id]
	switch {
	case !written || at >= v.origin:
		v.must(p)
	case v.happened(p):
		v.s.fail("the message of program %d was written to the stream before its start, and came", p.id)
	default:
		v.s.count(BeforeStart)
	}
}
