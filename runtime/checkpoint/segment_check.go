package checkpoint

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/stateway/stateway/runtime/core"
)

func crcOf(a, b []byte) uint32 { return crc32.Update(checksum(a), castagnoli, b) }

// decodeSegmentFrame reads header, index and footer of a whole segment and returns the sections that
// the index lists, of which none was looked into.
func decodeSegmentFrame(object string, b []byte, id core.ApplicationID) (core.Generation, *Segment, error) {
	if len(b) < segmentHeader+segmentFooter {
		return 0, nil, damaged(object, 0, "%d bytes are too few for a segment", len(b))
	}
	g, s, err := decodeSegmentHeader(object, b[:segmentHeader], id)
	if err != nil {
		return 0, nil, err
	}
	s.Length = int64(len(b))
	s.Checksum = checksum(b)
	f := b[len(b)-segmentFooter:]
	at := uint64(len(b) - segmentFooter) //nolint:gosec // not negative
	if string(f[28:]) != segmentEnd || checksum(f[:24]) != binary.BigEndian.Uint32(f[24:]) {
		return 0, nil, damaged(object, s.Length-segmentFooter, "footer is damaged: the segment is cut off, or not a segment")
	}
	indexAt, count := binary.BigEndian.Uint64(f), binary.BigEndian.Uint32(f[8:])
	if count > core.MaxShards || indexAt < segmentHeader || indexAt > at || at-indexAt != uint64(count)*indexEntry ||
		binary.BigEndian.Uint64(f[16:]) != uint64(len(b)) {
		return 0, nil, damaged(object, s.Length-segmentFooter, "footer of an object of %d bytes says: index of %d sections at %d", len(b), count, indexAt)
	}
	index := b[indexAt:at]
	if checksum(index) != binary.BigEndian.Uint32(f[12:]) {
		return 0, nil, damaged(object, int64(indexAt), "checksum of the index is wrong") //nolint:gosec // less than len(b)
	}
	if err := s.decodeIndex(object, index, indexAt); err != nil {
		return 0, nil, err
	}
	return g, s, nil
}

func decodeSegmentHeader(object string, b []byte, id core.ApplicationID) (core.Generation, *Segment, error) {
	d := sealed(object, b, segmentMagic)
	var got core.ApplicationID
	copy(got[:], d.take(16, "application id"))
	g := core.Generation(d.uint64("generation"))
	s := &Segment{Name: object, Checkpoint: core.CheckpointID(d.uint64("checkpoint")), Node: core.NodeID(d.uint32("node"))}
	if d.err == nil && got != id {
		d.fail("it belongs to application %s, not to %s", got, id)
	}
	return g, s, d.end()
}

// decodeIndex reads the index; sections must follow each other without gaps from the header to it.
func (s *Segment) decodeIndex(object string, index []byte, indexAt uint64) error {
	next := uint64(segmentHeader)
	for at := int64(indexAt); len(index) > 0; at, index = at+indexEntry, index[indexEntry:] { //nolint:gosec // checked
		r := SectionRef{
			Shard:    core.ShardID(binary.BigEndian.Uint32(index)),
			Checksum: binary.BigEndian.Uint32(index[20:]),
			Rows:     binary.BigEndian.Uint64(index[24:]),
			NextSeq:  core.Seq(binary.BigEndian.Uint64(index[32:])),
		}
		off, n := binary.BigEndian.Uint64(index[4:]), binary.BigEndian.Uint64(index[12:])
		if off != next || n < sectionHeader || n > indexAt-off {
			return damaged(object, at, "index says that shard %d's section is at %d with %d bytes", r.Shard, off, n)
		}
		if k := len(s.Sections); k > 0 && s.Sections[k-1].Shard >= r.Shard {
			return damaged(object, at, "index is not in ascending order of shards")
		}
		next = off + n
		r.Offset, r.Length = int64(off), int64(n) //nolint:gosec // less than indexAt
		s.Sections = append(s.Sections, r)
	}
	if next != indexAt {
		return damaged(object, int64(next), "bytes up to the index belong to no section") //nolint:gosec // less than indexAt
	}
	return nil
}
