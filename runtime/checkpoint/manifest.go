package checkpoint

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/stateway/stateway/runtime/core"
)

// FullEvery is how many manifests one full manifest carries: itself and 63 that hold changes.
const FullEvery = 64

// Manifest is a committed checkpoint: what it adds to the manifest before it, or, if Full, everything.
// Its slices and maps must not change once it was given to a Reign or a State.
type Manifest struct {
	Checkpoint core.CheckpointID
	Lineage    Lineage     // of the reign that commits it; set by Reign
	Prev       Number      // the manifest before it; zero if there is none
	Full       bool        // it holds everything, not only what changed
	FullNumber Number      // the full manifest that it rests on, its own number if Full; set by Reign
	Time       core.Millis // the core's time, which never goes back
	Shards     int
	Reigns     []ReignStart // of a full manifest: the reigns of the past and this one, oldest first

	Positions map[string][]byte // partition name to position: those that changed, or all
	Gone      []string          // partitions that have no position any longer, ascending; none if Full
	Segments  []*Segment        // added, or all that are still needed; by checkpoint, then node
	Bases     []*Base           // replaced, or all; by shard
	Retired   []string          // names of segments and base files that are needed no longer, ascending
}

// Lineage tells reigns apart: two processes that continue copies of one application have the same
// generations, but not the same nonces. A shard's disk is of this application's past if the lineage
// and checkpoint that it carries are in State.LineageOf.
type Lineage struct {
	Generation core.Generation
	Nonce      uint64
}

// ReignStart is the first checkpoint that a reign committed.
type ReignStart struct {
	Lineage Lineage
	First   core.CheckpointID
}

// Segment is one node's contribution to one checkpoint, as manifests refer to it.
type Segment struct {
	Name       string // within the application's folder
	Checkpoint core.CheckpointID
	Node       core.NodeID
	Length     int64        // of the object in bytes
	Checksum   uint32       // CRC32C of the whole object
	Sections   []SectionRef // by shard; in a State only those that are still needed
}

// SectionRef is where a shard's rows lie in a segment.
type SectionRef struct {
	Shard    core.ShardID
	Offset   int64 // in the object
	Length   int64 // compressed, in bytes
	Checksum uint32
	Rows     uint64
	NextSeq  core.Seq // of the shard, at the cut
}

func compareSegments(a, b *Segment) int {
	return cmp.Or(cmp.Compare(a.Checkpoint, b.Checkpoint), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Name, b.Name))
}

func (m *Manifest) append(b []byte) []byte {
	full := byte(0)
	if m.Full {
		full = 1
	}
	b = append(b, full)
	b = binary.AppendUvarint(b, uint64(m.Checkpoint))
	b = m.Lineage.append(b)
	b = binary.AppendUvarint(b, uint64(m.Prev))
	b = binary.AppendUvarint(b, uint64(m.FullNumber))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Time)) //nolint:gosec // two's complement
	b = binary.AppendUvarint(b, uint64(m.Shards))        //nolint:gosec // positive
	b = binary.AppendUvarint(b, uint64(len(m.Reigns)))
	for _, r := range m.Reigns {
		b = r.Lineage.append(b)
		b = binary.AppendUvarint(b, uint64(r.First))
	}
	b = binary.AppendUvarint(b, uint64(len(m.Positions)))
	for _, name := range slices.Sorted(maps.Keys(m.Positions)) {
		b = appendString(b, name)
		b = appendString(b, m.Positions[name])
	}
	b = appendNames(b, m.Gone)
	b = binary.AppendUvarint(b, uint64(len(m.Segments)))
	for _, s := range m.Segments {
		b = s.append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Bases)))
	for _, base := range m.Bases {
		b = base.append(b)
	}
	return appendNames(b, m.Retired)
}

func (l Lineage) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(l.Generation))
	return binary.BigEndian.AppendUint64(b, l.Nonce)
}

func appendNames(b []byte, names []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, n := range names {
		b = appendString(b, n)
	}
	return b
}

func (s *Segment) append(b []byte) []byte {
	b = appendString(b, s.Name)
	b = binary.AppendUvarint(b, uint64(s.Checkpoint))
	b = binary.AppendUvarint(b, uint64(s.Node))
	b = binary.AppendUvarint(b, uint64(s.Length)) //nolint:gosec // not negative
	b = binary.BigEndian.AppendUint32(b, s.Checksum)
	b = binary.AppendUvarint(b, uint64(len(s.Sections)))
	for i := range s.Sections {
		r := &s.Sections[i]
		b = binary.AppendUvarint(b, uint64(r.Shard))
		b = binary.AppendUvarint(b, uint64(r.Offset)) //nolint:gosec // not negative
		b = binary.AppendUvarint(b, uint64(r.Length)) //nolint:gosec // not negative
		b = binary.BigEndian.AppendUint32(b, r.Checksum)
		b = binary.AppendUvarint(b, r.Rows)
		b = binary.AppendUvarint(b, uint64(r.NextSeq))
	}
	return b
}
