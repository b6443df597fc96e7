package sim

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// stream is a Kinesis stream: shards that split and merge, and what lies in them. It belongs to nobody and never forgets, except the
// shards whose retention is over.
type stream struct {
	s      *Sim
	shards []*streamShard // in order of creation
	past   [][]lineage.Shard
	number uint64                 // of the last record
	next   map[int]uint64         // of an Address, the number of the stream's last message to it
	due    int                    // records that are not written yet
	ended  map[string]bool        // shards whose ends are committed
	own    map[string]bool        // stable ids that were written
	roots  []*program             // of records that nobody of ours wrote
	newest map[uint64]core.Millis // when a program's message was written last
}

// streamShard is one shard. A key belongs to it if lo ≤ hash < hi.
type streamShard struct {
	id               string
	parent, adjacent string
	lo, hi           uint64
	records          []streamRecord
	closed           bool
	end              core.Millis // when it closed
	gone             bool        // by retention
}

// streamRecord is a record with one message, or an aggregate of several.
type streamRecord struct {
	sequence string
	arrived  core.Millis
	users    []userRecord
}

type userRecord struct {
	p   *program
	seq uint64
	id  string // the stable id that our own egress wrote
}

const (
	streamHash = uint64(1 << 16)
	streamPast = 6 // listings back that an old answer may be
	fromStream = uint32(2000)
)

func (s *Sim) newStream() *stream {
	st := &stream{s: s, next: map[int]uint64{}, ended: map[string]bool{}, own: map[string]bool{}, newest: map[uint64]core.Millis{}}
	n := uint64(1 + s.rng.IntN(3))
	for i := range n {
		st.open(streamHash*i/n, streamHash*(i+1)/n)
	}
	st.changed()
	s.after(s.spread(s.profile.reshard), st.reshard)
	s.after(s.spread(2*s.profile.reshard), st.expire)
	return st
}

func (st *stream) open(lo, hi uint64, parents ...*streamShard) {
	sh := &streamShard{id: fmt.Sprintf("shardId-%012d", len(st.shards)), lo: lo, hi: hi}
	for i, p := range parents {
		if !p.closed {
			p.closed, p.end = true, st.s.clock()
			st.tell(p)
		}
		if i == 0 {
			sh.parent = p.id
		} else {
			sh.adjacent = p.id
		}
	}
	st.shards = append(st.shards, sh)
}

// changed keeps a listing for those that are answered with an old one.
func (st *stream) changed() {
	st.past = append(st.past, st.listing())
	if len(st.past) > streamPast {
		st.past = st.past[1:]
	}
}

func (st *stream) listing() []lineage.Shard {
	var all []lineage.Shard
	for _, sh := range st.shards {
		if !sh.gone {
			all = append(all, lineage.Shard{ID: sh.id, Parent: sh.parent, Adjacent: sh.adjacent, Open: !sh.closed})
		}
	}
	return all
}

// list answers ListShards: at times with an old listing, or with pages of an old and a new one.
func (st *stream) list() []lineage.Shard {
	now := st.listing()
	if !st.s.faulty(st.s.profile.listOld) {
		return now
	}
	old := st.past[st.s.rng.IntN(len(st.past))]
	if st.s.chance(0.5) {
		st.s.count(ListOld)
		return slices.Clone(old)
	}
	torn := slices.Clone(old[:st.s.rng.IntN(len(old)+1)])
	for _, l := range now {
		if len(torn) == 0 || l.ID > torn[len(torn)-1].ID {
			torn = append(torn, l)
		}
	}
	if slices.ContainsFunc(torn, func(l lineage.Shard) bool { return st.isGone(l.ID) && !hasChild(torn, l.ID) }) {
		return now // a retention does not run out between two pages for parents and children alike
	}
	st.s.count(ListTorn)
	return torn
}

// covering are the shards that were open when the stream began.
func (st *stream) covering() (ids []string) {
	for _, sh := range st.shards {
		if sh.parent == "" && !sh.gone {
			ids = append(ids, sh.id)
		}
	}
	return ids
}

func (st *stream) shard(id string) *streamShard {
	for _, sh := range st.shards {
		if sh.id == id {
			return sh
		}
	}
	return nil
}

func (sh *streamShard) covers(hash uint64) bool { return sh.lo <= hash && hash < sh.hi }

func (st *stream) hashOf(target int) uint64 {
	return uint64(st.s.model.addrs[target].Hash()) % streamHash //nolint:unconvert // a plain number
}

func (st *stream) openFor(hash uint64) *streamShard {
	for _, sh := range st.shards {
		if !sh.closed && sh.covers(hash) {
			return sh
		}
	}
	st.s.fail("no shard is open for hash %d", hash)
	return nil
}

// reshard splits a shard or merges two, and comes again.
func (st *stream) reshard() {
	s := st.s
	if !s.faulting {
		return
	}
	s.after(s.spread(s.profile.reshard), st.reshard)
	if len(st.shards) >= mostShards {
		return
	}
	var open []*streamShard
	for _, sh := range st.shards {
		if !sh.closed {
			open = append(open, sh)
		}
	}
	slices.SortFunc(open, func(a, b *streamShard) int { return int(a.lo) - int(b.lo) }) //nolint:gosec // small
	i := s.rng.IntN(len(open))
	if a := open[i]; i+1 < len(open) && s.chance(0.2+0.1*float64(len(open))) {
		s.count(ShardsMerged)
		st.open(a.lo, open[i+1].hi, a, open[i+1])
	} else if a.hi-a.lo >= 2 {
		s.count(ShardSplit)
		mid := a.lo + 1 + s.rng.Uint64N(a.hi-a.lo-1)
		st.open(a.lo, mid, a)
		st.open(mid, a.hi, a)
	}
	st.changed()
}

const mostShards = 40

// expire has closed shards vanish whose ends are committed, the older ones first: none is lost that was not read.
func (st *stream) expire() {
	s := st.s
	if !s.faulting {
		return
	}
	s.after(s.spread(2*s.profile.reshard), st.expire)
	for _, sh := range st.shards {
		if sh.closed && !sh.gone && st.ended[sh.id] && st.isGone(sh.parent) && st.isGone(sh.adjacent) && s.chance(0.3) {
			s.count(ShardExpired)
			sh.gone = true
			st.past = slices.DeleteFunc(st.past, func(old []lineage.Shard) bool { return !hasChild(old, sh.id) })
			st.changed()
		}
	}
}

// hasChild reports whether a listing names a child of a shard. One that does not is older than any retention when the shard is gone.
func hasChild(list []lineage.Shard, id string) bool {
	return slices.ContainsFunc(list, func(l lineage.Shard) bool { return l.Parent == id || l.Adjacent == id })
}

func (st *stream) isGone(id string) bool { return id == "" || st.shard(id).gone }

// write appends a record.
func (st *stream) write(sh *streamShard, users ...userRecord) {
	st.number += 1 + st.s.rng.Uint64N(1000)
	st.s.note("write "+sh.id, users[0].p.id, st.number)
	sh.records = append(sh.records, streamRecord{
		sequence: strconv.FormatUint(st.number, 10), arrived: st.s.clock(), users: users,
	})
	for _, u := range users {
		st.newest[u.p.id] = st.s.clock()
	}
	st.s.active = st.s.now
	st.tell(sh)
}

// tell has the readers of a shard look again.
func (st *stream) tell(sh *streamShard) {
	st.s.eachStreamReader(func(r *streamReader) {
		if r.shard == sh {
			r.poll(st.s.spread(2_000))
		}
	})
}

// writeOwn writes a record of our own egress.
func (st *stream) writeOwn(u userRecord) {
	if st.own[u.id] {
		st.s.count(LoopTwice)
	}
	st.own[u.id] = true
	st.write(st.openFor(st.hashOf(u.p.target)), u)
}

// produce writes a record some time later, an aggregate at times.
func (st *stream) produce(at int64) {
	st.due++
	st.s.at(at, func() {
		s := st.s
		st.due--
		sh := st.openFor(st.hashOf(s.rng.IntN(len(s.model.addrs))))
		var keys []int
		for k := range s.model.addrs {
			if sh.covers(st.hashOf(k)) {
				keys = append(keys, k)
			}
		}
		n := 1
		if s.chance(0.3) {
			n = 2 + s.rng.IntN(8)
			s.count(Aggregated)
		}
		var users []userRecord
		for range n {
			p := s.newProgram(nil, keys[s.rng.IntN(len(keys))], 2+s.rng.IntN(8))
			st.next[p.target]++
			users = append(users, userRecord{p: p, seq: st.next[p.target]})
			st.roots = append(st.roots, p)
		}
		st.write(sh, users...)
	})
}
