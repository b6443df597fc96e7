package checkpoint

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stateway/stateway/runtime/core"
)

// Commit is what a checkpoint adds. Everything that it names is in the bucket already.
type Commit struct {
	Checkpoint core.CheckpointID // greater than the state's
	Time       core.Millis       // the core's; not less than the state's
	Positions  map[string][]byte // those that changed
	Gone       []string          // partitions that have no position any longer
	Segments   []*Segment        // of this checkpoint, one per node that had something to say
	Bases      []*Base           // refreshed, at most one per shard, newer than the shard's base
}

const (
	rebaseBytes    = 16 << 20
	rebaseSegments = 1024
)

// Next makes the manifest with which the reign of lineage l commits c after s: full for a reign's
// first and for every 64th. Give it to Reign.Append, and the entry that comes back to Apply. The
// state does not change.
func (s *State) Next(c Commit, l Lineage) (*Manifest, error) {
	m := &Manifest{
		Checkpoint: c.Checkpoint, Lineage: l, Prev: s.Number, FullNumber: s.FullNumber, Time: c.Time, Shards: s.Shards,
		Positions: c.Positions, Gone: slices.Compact(slices.Sorted(slices.Values(c.Gone))),
		Segments: slices.SortedFunc(slices.Values(c.Segments), compareSegments),
		Bases:    slices.SortedFunc(slices.Values(c.Bases), func(a, b *Base) int { return int(a.Shard) - int(b.Shard) }),
	}
	if err := s.admits(m); err != nil {
		return nil, fmt.Errorf("commit checkpoint %d: %w", c.Checkpoint, err)
	}
	m.Full = s.Number == 0 || l != s.Lineage || s.Number+1-s.FullNumber >= FullEvery
	if !m.Full && len(m.Bases) == 0 {
		return m, nil // the usual case: nothing becomes superfluous
	}
	after := s.Clone()
	after.fold(m.Positions, m.Gone, m.Segments, m.Bases)
	m.Retired = s.retired(after)
	if !m.Full {
		return m, nil
	}
	m.Reigns = s.Reigns
	if l != s.Lineage || len(m.Reigns) == 0 {
		m.Reigns = append(slices.Clone(s.Reigns), ReignStart{Lineage: l, First: c.Checkpoint})
		m.Reigns = m.Reigns[max(0, len(m.Reigns)-maxReigns):]
	}
	m.Positions, m.Gone, m.Segments = maps.Clone(after.Positions), nil, after.Segments
	m.Bases = slices.DeleteFunc(after.Bases, func(b *Base) bool { return b == nil })
	return m, nil
}

// admits checks what the caller of Next must keep: a manifest that breaks it must never be committed.
func (s *State) admits(m *Manifest) error {
	if m.Checkpoint <= s.Checkpoint || m.Time < s.Time {
		return fmt.Errorf("at time %d it cannot follow checkpoint %d at time %d", m.Time, s.Checkpoint, s.Time)
	}
	for _, seg := range m.Segments {
		if seg.Checkpoint != m.Checkpoint {
			return fmt.Errorf("segment %s is of checkpoint %d", seg.Name, seg.Checkpoint)
		}
		if k := len(seg.Sections); k == 0 || int(seg.Sections[k-1].Shard) >= s.Shards {
			return fmt.Errorf("segment %s has no sections, or one of a shard beyond %d", seg.Name, s.Shards-1)
		}
	}
	for i, b := range m.Bases {
		if int(b.Shard) >= s.Shards || (i > 0 && m.Bases[i-1].Shard == b.Shard) {
			return fmt.Errorf("base of shard %d: there is no such shard, or it comes twice", b.Shard)
		}
		if old := s.Bases[b.Shard]; b.Checkpoint >= m.Checkpoint || (old != nil && old.Checkpoint >= b.Checkpoint) {
			return fmt.Errorf("base of shard %d is of checkpoint %d: want a committed one, newer than the base before", b.Shard, b.Checkpoint)
		}
	}
	return nil
}

// retired lists what s refers to and after does not.
func (s *State) retired(after *State) []string {
	kept := after.names()
	var retired []string
	for name := range s.names() {
		if _, ok := kept[name]; !ok {
			retired = append(retired, name)
		}
	}
	slices.Sort(retired)
	return retired
}

// Overdue lists the shards whose base is due to be refreshed, those with the largest deltas first:
// deltas that together exceed the larger of the base and 16 MiB, or lie in 1,024 segments or more.
func (s *State) Overdue() []core.ShardID {
	bytes, segments := make([]int64, s.Shards), make([]int, s.Shards)
	for _, seg := range s.Segments {
		for i := range seg.Sections {
			bytes[seg.Sections[i].Shard] += seg.Sections[i].Length
			segments[seg.Sections[i].Shard]++
		}
	}
	var due []core.ShardID
	for i := range bytes {
		if bytes[i] > max(s.Bases[i].Size(), rebaseBytes) || segments[i] >= rebaseSegments {
			due = append(due, core.ShardID(i)) //nolint:gosec // at most core.MaxShards
		}
	}
	slices.SortStableFunc(due, func(a, b core.ShardID) int {
		switch {
		case bytes[a] > bytes[b]:
			return -1
		case bytes[a] < bytes[b]:
			return 1
		}
		return 0
	})
	return due
}
