package checkpoint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/stateway/stateway/runtime/core"
)

// State is what all manifests up to one say together: the restore point if it is the last below a
// claim. The zero State with Shards set is the empty beginning. It belongs to one goroutine; what it
// points to is shared with manifests and clones and never changes.
type State struct {
	Number     Number // of the manifest; zero: nothing was committed yet
	FullNumber Number // the full manifest that it rests on
	Checkpoint core.CheckpointID
	Lineage    Lineage
	Time       core.Millis // the core's time at the checkpoint
	Shards     int

	Reigns    []ReignStart // oldest first, the newest 1,024
	Positions map[string][]byte
	Segments  []*Segment // with sections that are still needed, by checkpoint, then node
	Bases     []*Base    // by shard, nil where there is none; as long as Shards
}

const maxReigns = 1024

// NewState is the empty beginning of an application.
func (a *Application) NewState() *State {
	return &State{Shards: a.Shards, Bases: make([]*Base, a.Shards)}
}

// Clone returns a State that changes on its own.
func (s *State) Clone() *State {
	c := *s
	c.Reigns = slices.Clone(s.Reigns)
	c.Positions = maps.Clone(s.Positions)
	c.Segments = slices.Clone(s.Segments)
	c.Bases = slices.Clone(s.Bases)
	return &c
}

// Apply folds the next manifest, with log number n, into the state. After an error, which says why
// the manifest cannot follow, the state is unchanged.
func (s *State) Apply(n Number, m *Manifest) error {
	if err := s.follows(n, m); err != nil {
		return fmt.Errorf("manifest %d of the control log: %w", n, err)
	}
	if m.Full {
		s.Reigns = slices.Clone(m.Reigns)
		s.Positions = nil
		s.Segments = nil
		s.Bases = make([]*Base, s.Shards)
	}
	s.Number, s.FullNumber = n, m.FullNumber
	s.Checkpoint, s.Lineage, s.Time = m.Checkpoint, m.Lineage, m.Time
	s.fold(m.Positions, m.Gone, m.Segments, m.Bases)
	return nil
}

func (s *State) follows(n Number, m *Manifest) error {
	if m.Shards != s.Shards {
		return fmt.Errorf("it has %d shards, the application has %d", m.Shards, s.Shards)
	}
	if s.Number == 0 && m.Full {
		return nil // where a chain begins
	}
	if m.Prev != s.Number || n <= s.Number {
		return fmt.Errorf("it follows manifest %d, not %d", m.Prev, s.Number)
	}
	if m.Checkpoint <= s.Checkpoint || m.Time < s.Time {
		return fmt.Errorf("checkpoint %d at time %d cannot follow checkpoint %d at time %d", m.Checkpoint, m.Time, s.Checkpoint, s.Time)
	}
	if m.Full {
		return nil
	}
	if m.FullNumber != s.FullNumber || m.Lineage != s.Lineage {
		return fmt.Errorf("it rests on manifest %d of generation %d, not on %d of %d", m.FullNumber, m.Lineage.Generation, s.FullNumber, s.Lineage.Generation)
	}
	if len(m.Segments) > 0 && m.Segments[0].Checkpoint <= s.Checkpoint {
		return fmt.Errorf("it adds segment %s of the past", m.Segments[0].Name)
	}
	for _, b := range m.Bases {
		if old := s.Bases[b.Shard]; old != nil && old.Checkpoint >= b.Checkpoint {
			return fmt.Errorf("its base of shard %d is of checkpoint %d, there is one of %d", b.Shard, b.Checkpoint, old.Checkpoint)
		}
	}
	return nil
}

func (s *State) fold(positions map[string][]byte, gone []string, segments []*Segment, bases []*Base) {
	if s.Positions == nil {
		s.Positions = make(map[string][]byte, len(positions))
	}
	maps.Copy(s.Positions, positions)
	for _, name := range gone {
		delete(s.Positions, name)
	}
	s.Segments = append(s.Segments, segments...)
	newest := core.CheckpointID(0)
	for _, b := range bases {
		s.Bases[b.Shard] = b
		newest = max(newest, b.Checkpoint)
	}
	if len(bases) == 0 {
		return
	}
	kept := s.Segments[:0]
	for _, seg := range s.Segments {
		if seg.Checkpoint <= newest {
			seg = seg.without(s.Bases)
		}
		if seg != nil {
			kept = append(kept, seg)
		}
	}
	clear(s.Segments[len(kept):])
	s.Segments = kept
}

// without returns the segment without the sections that bases hold already, nil if none is left.
func (s *Segment) without(bases []*Base) *Segment {
	held := func(r SectionRef) bool {
		b := bases[r.Shard]
		return b != nil && b.Checkpoint >= s.Checkpoint
	}
	if !slices.ContainsFunc(s.Sections, held) {
		return s
	}
	c := *s
	c.Sections = slices.DeleteFunc(slices.Clone(s.Sections), held)
	if len(c.Sections) == 0 {
		return nil
	}
	return &c
}

// LineageOf returns the lineage under which checkpoint n was committed; false if n is not part of
// this past, or too far back. A shard's disk may be used only if it carries the same lineage.
func (s *State) LineageOf(n core.CheckpointID) (Lineage, bool) {
	if n > s.Checkpoint {
		return Lineage{}, false
	}
	i, found := slices.BinarySearchFunc(s.Reigns, n, func(r ReignStart, n core.CheckpointID) int { return cmp.Compare(r.First, n) })
	if !found {
		i--
	}
	if i < 0 {
		return Lineage{}, false
	}
	return s.Reigns[i].Lineage, true
}

// ShardPast is where the rows of a shard lie: its base, then its sections, oldest first. A later row
// replaces an earlier one of the same key.
type ShardPast struct {
	Base     *Base // nil if there is none
	Sections []SectionAt
	NextSeq  core.Seq // the newest
}

// SectionAt is a section and the segment that holds it.
type SectionAt struct {
	Segment *Segment
	Ref     SectionRef
}

// Past returns where the rows of a shard lie.
func (s *State) Past(shard core.ShardID) ShardPast {
	p := ShardPast{Base: s.Bases[shard]}
	if p.Base != nil {
		p.NextSeq = p.Base.NextSeq
	}
	for _, seg := range s.Segments {
		if r, ok := seg.Section(shard); ok {
			p.Sections = append(p.Sections, SectionAt{Segment: seg, Ref: r})
			p.NextSeq = max(p.NextSeq, r.NextSeq)
		}
	}
	return p
}

// Section returns the section of a shard, if there is one.
func (s *Segment) Section(shard core.ShardID) (SectionRef, bool) {
	i, ok := slices.BinarySearchFunc(s.Sections, shard, func(r SectionRef, shard core.ShardID) int { return cmp.Compare(r.Shard, shard) })
	if !ok {
		return SectionRef{}, false
	}
	return s.Sections[i], true
}

// names are all objects that the state refers to.
func (s *State) names() map[string]struct{} {
	names := make(map[string]struct{}, len(s.Segments))
	for _, seg := range s.Segments {
		names[seg.Name] = struct{}{}
	}
	for _, b := range s.Bases {
		if b == nil {
			continue
		}
		for i := range b.Files {
			if b.Files[i].Object != "" {
				names[b.Files[i].Object] = struct{}{}
			}
		}
	}
	return names
}
