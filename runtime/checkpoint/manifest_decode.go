package checkpoint

import (
	"github.com/stateway/stateway/runtime/core"
)

const maxObject = 1 << 50 // bytes of an object that a manifest can name

// decodeManifest reads the manifest with log number n. What it returns is well formed: all that does
// not depend on the manifests before it was checked.
func decodeManifest(d *decoder, n Number) *Manifest {
	full := d.uint8("flags")
	if full > 1 {
		d.fail("flags %#x are unknown", full)
	}
	m := &Manifest{Full: full == 1}
	m.Checkpoint = core.CheckpointID(d.uvarint("checkpoint"))
	m.Lineage = decodeLineage(d, n)
	m.Prev = Number(d.below(uint64(n), "number of the manifest before"))
	m.FullNumber = Number(d.below(uint64(n)+1, "number of the full manifest"))
	m.Time = core.Millis(d.uint64("time"))                        //nolint:gosec // two's complement
	m.Shards = int(d.below(core.MaxShards+1, "number of shards")) //nolint:gosec // checked
	if d.err == nil && m.Full != (m.FullNumber == n) {
		d.fail("it is number %d and rests on full manifest %d, full: %t", n, m.FullNumber, m.Full)
	}
	m.decodeReigns(d, n)
	m.decodePositions(d)
	m.Gone = decodeNames(d, "partitions that are gone")
	m.decodeSegments(d)
	m.decodeBases(d)
	m.Retired = decodeNames(d, "retired names")
	return m
}

func decodeLineage(d *decoder, n Number) Lineage {
	g := core.Generation(d.below(uint64(n), "generation"))
	return Lineage{Generation: g, Nonce: d.uint64("nonce")}
}

func (m *Manifest) decodeReigns(d *decoder, n Number) {
	count := d.count(10, "reigns")
	for range count {
		r := ReignStart{Lineage: decodeLineage(d, n)}
		r.First = core.CheckpointID(d.uvarint("first checkpoint of a reign"))
		if k := len(m.Reigns); k > 0 && (r.Lineage.Generation <= m.Reigns[k-1].Lineage.Generation || r.First <= m.Reigns[k-1].First) {
			d.fail("reigns are not in order")
		}
		if r.First > m.Checkpoint {
			d.fail("a reign begins with checkpoint %d, after %d", r.First, m.Checkpoint)
		}
		m.Reigns = append(m.Reigns, r)
	}
	if d.err == nil && m.Full && (count == 0 || m.Reigns[count-1].Lineage != m.Lineage) {
		d.fail("a full manifest must list its own reign as the last")
	}
	if d.err == nil && !m.Full && count > 0 {
		d.fail("only a full manifest lists reigns")
	}
}

func (m *Manifest) decodePositions(d *decoder) {
	count := d.count(2, "positions")
	if count > 0 {
		m.Positions = make(map[string][]byte, count)
	}
	last := ""
	for i := range count {
		name := d.string("partition name")
		if i > 0 && name <= last {
			d.fail("partitions are not in ascending order: %q behind %q", name, last)
			return
		}
		last = name
		m.Positions[name] = d.bytes("position")
	}
}

func decodeNames(d *decoder, what string) []string {
	count := d.count(1, what)
	var names []string
	for i := range count {
		name := d.string("one of the " + what)
		if i > 0 && name <= names[i-1] {
			d.fail("%s are not in ascending order: %q behind %q", what, name, names[i-1])
			return nil
		}
		names = append(names, name)
	}
	return names
}

func (m *Manifest) decodeSegments(d *decoder) {
	for i := range d.count(10, "segments") {
		s := decodeSegment(d, m.Shards)
		if d.err != nil {
			return
		}
		if s.Checkpoint > m.Checkpoint {
			d.fail("segment %s is of checkpoint %d, after %d", s.Name, s.Checkpoint, m.Checkpoint)
		}
		if i > 0 && compareSegments(m.Segments[i-1], s) >= 0 {
			d.fail("segments are not in order: %s behind %s", s.Name, m.Segments[i-1].Name)
		}
		m.Segments = append(m.Segments, s)
	}
}

func decodeSegment(d *decoder, shards int) *Segment {
	s := &Segment{Name: d.string("segment's name")}
	if _, ok := parseObjectName(s.Name); d.err == nil && !ok {
		d.fail("%q is no name of a segment", s.Name)
	}
	s.Checkpoint = core.CheckpointID(d.uvarint("segment's checkpoint"))
	s.Node = core.NodeID(d.below(1<<32, "segment's node")) //nolint:gosec // checked
	s.Length = d.size("segment's length")
	s.Checksum = d.uint32("segment's checksum")
	count := d.count(9, "sections")
	if count > 0 {
		s.Sections = make([]SectionRef, 0, count)
	}
	end := int64(0)
	for i := range count {
		r := decodeSectionRef(d, shards)
		if i > 0 && r.Shard <= s.Sections[i-1].Shard {
			d.fail("segment %s: sections are not in ascending order of shards", s.Name)
		}
		if r.Offset < end || r.Length > s.Length-r.Offset {
			d.fail("segment %s of %d bytes: section of shard %d at %d with %d bytes", s.Name, s.Length, r.Shard, r.Offset, r.Length)
		}
		if d.err != nil {
			return s
		}
		end = r.Offset + r.Length
		s.Sections = append(s.Sections, r)
	}
	return s
}

func decodeSectionRef(d *decoder, shards int) SectionRef {
	return SectionRef{
		Shard:    core.ShardID(d.below(uint64(shards), "shard")), //nolint:gosec // at most core.MaxShards
		Offset:   d.size("section's offset"),
		Length:   d.size("section's length"),
		Checksum: d.uint32("section's checksum"),
		Rows:     d.uvarint("section's rows"),
		NextSeq:  core.Seq(d.uvarint("section's next sequence number")),
	}
}

func (m *Manifest) decodeBases(d *decoder) {
	for i := range d.count(5, "bases") {
		b := decodeBase(d, m.Shards)
		if d.err != nil {
			return
		}
		if i > 0 && b.Shard <= m.Bases[i-1].Shard {
			d.fail("bases are not in ascending order of shards")
		}
		if b.Checkpoint > m.Checkpoint {
			d.fail("base of shard %d is of checkpoint %d, after %d", b.Shard, b.Checkpoint, m.Checkpoint)
		}
		m.Bases = append(m.Bases, b)
	}
}
