package lineage

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/stateway/stateway/runtime/ingress"
	"pgregory.net/rapid"
)

// model is a stream, and a node that reads it, commits and crashes. Keys are numbers; a shard has a range of them.
type model struct {
	now    int64
	shards []*modelShard
	sent   map[int][]int64 // by key: when its records arrived
	start  Start
	origin int64 // what arrived from then on must be read

	committed image
	live      image
	fixed     map[string]bool // a checkpoint holds a position
	partial   int             // checkpoints that held only part of the new starts
}

type modelShard struct {
	Shard
	low, high      int // keys
	opened, closed int64
	records        []modelRecord
	gone           bool // listed no more
}

type modelRecord struct {
	key, n  int
	arrived int64
	seq     int64
}

// image is what a checkpoint holds, and a node has in memory: positions, and how many records of each key took effect.
type image struct {
	parts map[string]ingress.Partition
	done  map[int][]int
}

func (i image) clone() image {
	c := image{parts: maps.Clone(i.parts), done: map[int][]int{}}
	for k, v := range i.done {
		c.done[k] = slices.Clone(v)
	}
	return c
}

const modelKeys = 16

func newModel(t *rapid.T) *model {
	m := &model{
		now: 1000, sent: map[int][]int64{}, fixed: map[string]bool{},
		committed: image{parts: map[string]ingress.Partition{}, done: map[int][]int{}},
	}
	m.add(0, 7, "", "")
	m.add(8, 15, "", "")
	m.start.Kind = StartKind(rapid.IntRange(0, 2).Draw(t, "start"))
	for range rapid.IntRange(0, 30).Draw(t, "history") {
		m.changeStream(t)
	}
	m.live = m.committed.clone()
	return m
}

func (m *model) add(low, high int, parent, adjacent string) {
	id := fmt.Sprintf("shard-%03d", len(m.shards))
	m.shards = append(m.shards, &modelShard{Shard: Shard{ID: id, Parent: parent, Adjacent: adjacent, Open: true}, low: low, high: high, opened: m.now})
}

func (m *model) open() []*modelShard {
	return slices.DeleteFunc(slices.Clone(m.shards), func(s *modelShard) bool { return !s.Open })
}

func (m *model) changeStream(t *rapid.T) {
	m.now += rapid.Int64Range(0, 2).Draw(t, "time")
	switch rapid.IntRange(0, 5).Draw(t, "change") {
	case 0:
		m.split(t)
	case 1:
		m.merge(t)
	default:
		key := rapid.IntRange(0, modelKeys-1).Draw(t, "key")
		for _, s := range m.open() {
			if s.low <= key && key <= s.high {
				s.records = append(s.records, modelRecord{key: key, n: len(m.sent[key]), arrived: m.now, seq: int64(len(s.records) + 1)})
				m.sent[key] = append(m.sent[key], m.now)
			}
		}
	}
}

func (m *model) split(t *rapid.T) {
	s := rapid.SampledFrom(m.open()).Draw(t, "split")
	if s.low == s.high {
		return
	}
	at := rapid.IntRange(s.low, s.high-1).Draw(t, "at")
	s.Open, s.closed = false, m.now
	m.add(s.low, at, s.ID, "")
	m.add(at+1, s.high, s.ID, "")
	m.now++ // a record after a split is later than all before it
}

func (m *model) merge(t *rapid.T) {
	a := rapid.SampledFrom(m.open()).Draw(t, "merge")
	for _, b := range m.open() {
		if b.low == a.high+1 {
			a.Open, b.Open, a.closed, b.closed = false, false, m.now, m.now
			m.add(a.low, b.high, a.ID, b.ID)
			m.now++
			return
		}
	}
}

// trim takes the oldest closed shard from the list, once its end is committed or it was closed before the start.
func (m *model) trim() {
	for _, s := range m.shards {
		k, known := m.committed.parts[s.ID]
		switch {
		case s.gone:
		case s.Open || (known && !k.Ended):
			return
		case !known && (len(m.committed.parts) == 0 || slices.ContainsFunc(s.records, func(r modelRecord) bool { return r.arrived >= m.origin })):
			return
		default:
			s.gone = true
			return
		}
	}
}

func (m *model) list() []Shard {
	var shards []Shard
	for _, s := range m.shards {
		if !s.gone {
			shards = append(shards, s.Shard)
		}
	}
	return shards
}

// discover does what a node does: list, remember starts, forget what is listed no more.
func (m *model) discover(t *rapid.T) {
	start := m.start
	if len(m.committed.parts) == 0 && len(m.live.parts) == 0 {
		start = m.firstStart(t)
	}
	if len(m.committed.parts) == 0 && len(m.live.parts) > 0 {
		return // The first starts are not committed yet: a node asks again afterwards.
	}
	parts, err := Partitions(slices.Collect(maps.Values(m.committed.parts)), m.list(), start)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, p := range parts {
		listed[p.ID] = true
		if _, running := m.live.parts[p.ID]; !running {
			m.live.parts[p.ID] = p
		}
	}
	for id, p := range m.live.parts {
		if p.Ended && !listed[id] {
			delete(m.live.parts, id)
		}
	}
}

func (m *model) firstStart(t *rapid.T) Start {
	start := Start{Kind: m.start.Kind}
	switch start.Kind {
	case Latest:
		start.Time = m.now + 1
		m.now++
		m.origin = start.Time
	case Earliest:
		m.origin = 0
	case Date:
		start.Time = rapid.Int64Range(1000, m.now).Draw(t, "date")
		m.origin = start.Time
		if rapid.Bool().Draw(t, "filter") {
			start.Covering = m.covering(start.Time)
		}
	}
	m.start = start
	return start
}

// covering are the shards that were open at a time, at its borders too.
func (m *model) covering(at int64) []string {
	var ids []string
	for _, s := range m.shards {
		if s.opened <= at && (s.Open || at <= s.closed) && !s.gone {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// read takes some records of a partition whose start is committed.
func (m *model) read(t *rapid.T) {
	var ids []string
	for id, p := range m.live.parts {
		if m.fixed[id] && !p.Ended {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	m.readOne(t, rapid.SampledFrom(ids).Draw(t, "read"), rapid.IntRange(1, 5).Draw(t, "records"))
}

func (m *model) readOne(t *rapid.T, id string, limit int) {
	i, err := strconv.Atoi(id[len("shard-"):])
	if err != nil {
		t.Fatal(err)
	}
	s, p := m.shards[i], m.live.parts[id]
	pos, err := ParsePosition(p.Position)
	if err != nil {
		t.Fatal(err)
	}
	after := int64(0)
	if pos.Kind == After {
		after, _ = strconv.ParseInt(pos.Sequence, 10, 64)
	}
	for _, r := range s.records {
		if r.seq <= after || (pos.Kind == AtTime && r.arrived < pos.Time) {
			continue
		}
		if limit == 0 {
			return
		}
		limit--
		m.live.done[r.key] = append(m.live.done[r.key], r.n)
		p.Position, err = Position{Kind: After, Sequence: strconv.FormatInt(r.seq, 10), Seen: r.arrived, Origin: pos.Origin}.Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		m.live.parts[id] = p
	}
	if limit > 0 && !s.Open {
		p.Ended = true
		m.live.parts[id] = p
	}
}

// commit makes a checkpoint. One that comes while starts are being noted may hold only some of them.
func (m *model) commit(t *rapid.T, partial bool) {
	next := m.live.clone()
	for _, id := range slices.Sorted(maps.Keys(next.parts)) {
		if !m.fixed[id] && partial && rapid.Bool().Draw(t, "leave out") {
			delete(next.parts, id)
			m.partial++
			continue
		}
		m.fixed[id] = true
	}
	m.committed = next
}

func (m *model) crash() {
	m.live = m.committed.clone()
	m.fixed = map[string]bool{}
	for id := range m.committed.parts {
		m.fixed[id] = true
	}
}

// finish reads all there is and checks it.
func (m *model) finish(t *rapid.T) {
	for round := 0; ; round++ {
		m.discover(t)
		m.commit(t, false)
		before := fmt.Sprint(m.live.done, len(m.live.parts))
		for id, p := range m.live.parts {
			if !p.Ended {
				m.readOne(t, id, 1<<30)
			}
		}
		m.commit(t, false)
		m.discover(t)
		if fmt.Sprint(m.live.done, len(m.live.parts)) == before && round > 2*len(m.shards) {
			break
		}
	}
	for key, arrived := range m.sent {
		var want []int
		for n, at := range arrived {
			if at >= m.origin {
				want = append(want, n)
			}
		}
		if got := m.live.done[key]; !slices.Equal(got, want) {
			t.Fatalf("key %d: read %v, want %v (start %+v)", key, got, want, m.start)
		}
	}
	for _, s := range m.open() {
		if _, read := m.live.parts[s.ID]; !read {
			t.Fatalf("open shard %s is not read", s.ID)
		}
	}
}

// TestEveryRecordOnceInOrder is the package's promise under random resharding, commits, partial first starts, retention and crashes.
func TestEveryRecordOnceInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range rapid.IntRange(5, 120).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				m.changeStream(t)
			case 3, 4, 5:
				m.read(t)
			case 6:
				m.discover(t)
			case 7:
				m.commit(t, rapid.Bool().Draw(t, "partial"))
			case 8:
				m.crash()
			case 9:
				m.trim()
			}
		}
		m.finish(t)
	})
}
