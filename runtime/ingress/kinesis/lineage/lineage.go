package lineage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/stateway/stateway/runtime/ingress"
)

// Shard is one shard that a stream lists.
type Shard struct {
	ID string
	// Parent and Adjacent are the shards it came from: none for a first shard, Parent alone after a split, both
	// after a merge. They are named even when the stream lists them no more.
	Parent, Adjacent string
	// Open: records are still written to it.
	Open bool
}

// parents are the shards that s came from.
func (s Shard) parents() []string {
	var ids []string
	for _, id := range []string{s.Parent, s.Adjacent} {
		if id != "" && id != s.ID {
			ids = append(ids, id)
		}
	}
	return ids
}

// StartKind is where a stream of which nothing is known begins.
type StartKind uint8

const (
	// Latest: what arrives from now on, which is Start.Time.
	Latest StartKind = iota
	// Earliest: the oldest record there is.
	Earliest
	// Date: what arrived at or after Start.Time.
	Date
)

// Start is a first start, made absolute. It is looked at only while nothing is known of the stream.
type Start struct {
	Kind StartKind
	// Time, in Unix milliseconds, is the date; for Latest it is the time now, read after the shards were listed: an
	// open shard that is split in between is then read to its end, and its children after it.
	Time int64
	// Seen is Position.Seen of Date: the later of Time and the beginning of the stream's history; zero if unknown.
	Seen int64
	// Covering names the shards that were open at Time (Date only; ListShards knows). If empty, all shards are
	// read from Time on, which gives the same records more slowly.
	Covering []string
}

// ErrNoShards means that a stream lists nothing to begin with. It always has open shards, so the list is not to be trusted.
var ErrNoShards = errors.New("the stream lists no shards to read")

// Partitions answers ingress.Ingress.Partitions for one stream: known is what the last committed checkpoint holds of
// it, with shards' ids as partitions' ids; shards is all that the stream lists. The answer is sorted by id.
//
// What is known comes back as it is, except an ended shard that is listed no more while children of it are, all of them
// known: a list with none of them may be older than the shard, and with the next one it would be read again. A shard that
// is not known is added once its parents are settled. It is read from its oldest record, or from the stream's start if
// that may be later.
func Partitions(known []ingress.Partition, shards []Shard, start Start) ([]ingress.Partition, error) {
	if len(shards) == 0 {
		return nil, ErrNoShards
	}
	t := newTree(known, shards)
	if len(known) == 0 {
		return t.first(start)
	}
	return t.next()
}

// tree is what is known and listed of one stream.
type tree struct {
	known  map[string]ingress.Partition
	listed map[string]Shard
	order  []string        // of listed, sorted
	before map[string]bool // listed and not known, but a descendant is known: it lay before the start
}

func newTree(known []ingress.Partition, shards []Shard) *tree {
	t := &tree{known: map[string]ingress.Partition{}, listed: map[string]Shard{}, before: map[string]bool{}}
	for _, k := range known {
		t.known[k.ID] = k
	}
	for _, s := range shards {
		if _, twice := t.listed[s.ID]; !twice {
			t.order = append(t.order, s.ID)
		}
		t.listed[s.ID] = s
	}
	slices.Sort(t.order)
	visited := map[string]bool{}
	for _, k := range known {
		t.climb(k.ID, visited)
	}
	return t
}

// climb marks the ancestors of id that are listed and not known. A loop, which no stream has, ends it.
func (t *tree) climb(id string, visited map[string]bool) {
	for todo := []string{id}; len(todo) > 0; {
		id = todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if visited[id] {
			continue
		}
		visited[id] = true
		for _, p := range t.listed[id].parents() {
			_, listed := t.listed[p]
			if _, known := t.known[p]; listed && !known {
				t.before[p] = true
			}
			todo = append(todo, p)
		}
	}
}

// first lists the shards to begin with.
func (t *tree) first(start Start) ([]ingress.Partition, error) {
	at := Position{Kind: AtTime, Time: start.Time, Seen: start.Time, Origin: start.Time}
	root := t.isRoot
	switch start.Kind {
	case Latest:
		root = t.isOpenRoot
	case Earliest:
		at = Position{Kind: Horizon}
	case Date:
		at.Seen = start.Seen
		if len(start.Covering) > 0 {
			root = func(s Shard) bool { return covers(start.Covering, s) }
		}
	}
	if at.Kind == AtTime && at.Time <= 0 {
		return nil, fmt.Errorf("a start at %d ms is before 1970", at.Time)
	}
	var parts []ingress.Partition
	for _, id := range t.order {
		if !root(t.listed[id]) {
			continue
		}
		p, err := partition(id, at)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, ErrNoShards
	}
	return parts, nil
}

// isRoot reports whether no parent of s is listed.
func (t *tree) isRoot(s Shard) bool {
	return !slices.ContainsFunc(s.parents(), func(p string) bool {
		_, listed := t.listed[p]
		return listed
	})
}

// isOpenRoot reports whether s is open and no shard it comes from is listed as open, as in a list of several pages between two of
// which that one was split: it is read to its end first.
func (t *tree) isOpenRoot(s Shard) bool {
	visited := map[string]bool{s.ID: true}
	for todo := s.parents(); len(todo) > 0; {
		p := t.listed[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		if visited[p.ID] {
			continue
		}
		if p.Open {
			return false
		}
		visited[p.ID] = true
		todo = append(todo, p.parents()...)
	}
	return s.Open
}

// covers reports whether s was open at the start, and no parent of it: one that ended at that very moment comes first.
func covers(covering []string, s Shard) bool {
	return slices.Contains(covering, s.ID) &&
		!slices.ContainsFunc(s.parents(), func(p string) bool { return slices.Contains(covering, p) })
}

// next lists what is known and what may be read now.
func (t *tree) next() ([]ingress.Partition, error) {
	origin := t.origin()
	var parts []ingress.Partition
	wanted := map[string]bool{}   // parents of shards that are not known yet
	followed := map[string]bool{} // parents of shards that are known
	for _, id := range t.order {
		s := t.listed[id]
		_, known := t.known[id]
		for _, p := range s.parents() {
			followed[p] = followed[p] || known
			wanted[p] = wanted[p] || (!known && !t.before[id])
		}
		if known || t.before[id] {
			continue
		}
		if slices.ContainsFunc(s.parents(), func(p string) bool { return !t.settled(p) }) {
			continue
		}
		p, err := partition(id, t.start(s, origin))
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	for id, k := range t.known {
		if _, listed := t.listed[id]; listed || !k.Ended || wanted[id] || !followed[id] {
			parts = append(parts, k)
		}
	}
	slices.SortFunc(parts, func(a, b ingress.Partition) int { return cmp.Compare(a.ID, b.ID) })
	return parts, nil
}

// settled reports whether nothing of shard id is still to be read.
func (t *tree) settled(id string) bool {
	if k, known := t.known[id]; known {
		return k.Ended || childEarly
	}
	_, listed := t.listed[id]
	return !listed || t.before[id]
}

// start is where a shard begins that is found later than the first start. If a record of a parent was read, it is the
// oldest record, since all of them came after that. Otherwise it may reach back before the start: it was there when the
// first start was committed in part, or comes from one that was. What the parents had seen by their ends tells whether
// records are lost.
func (t *tree) start(s Shard, origin int64) Position {
	at := Position{Kind: Horizon, Origin: origin}
	if origin > 0 {
		at = Position{Kind: AtTime, Time: origin, Seen: origin, Origin: origin}
	}
	for _, p := range s.parents() {
		pos, err := ParsePosition(t.known[p].Position)
		if err != nil {
			continue
		}
		if pos.Kind != AtTime {
			at.Kind, at.Time = Horizon, 0
		}
		at.Seen = max(at.Seen, pos.Seen)
	}
	return at
}

// origin is the first start of the stream: the same in all positions.
func (t *tree) origin() int64 {
	origin := int64(-1)
	for _, k := range t.known {
		if p, err := ParsePosition(k.Position); err == nil && (origin < 0 || p.Origin < origin) {
			origin = p.Origin
		}
	}
	return max(origin, 0)
}

func partition(id string, at Position) (ingress.Partition, error) {
	b, err := at.Encode(nil)
	if err != nil {
		return ingress.Partition{}, fmt.Errorf("start of shard %s: %w", id, err)
	}
	return ingress.Partition{ID: id, Position: b}, nil
}

// Waiting names the listed shards that cannot be read yet, each with the parents that are not settled. known and shards
// are as in Partitions.
func Waiting(known []ingress.Partition, shards []Shard) map[string][]string {
	if len(known) == 0 {
		return nil
	}
	t := newTree(known, shards)
	waiting := map[string][]string{}
	for _, id := range t.order {
		if _, known := t.known[id]; known || t.before[id] {
			continue
		}
		for _, p := range t.listed[id].parents() {
			if !t.settled(p) {
				waiting[id] = append(waiting[id], p)
			}
		}
	}
	return waiting
}
