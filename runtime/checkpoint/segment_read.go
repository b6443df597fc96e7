package checkpoint

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/stateway/stateway/runtime/core"
)

const maxSegmentRead = 64 << 20 // bytes that one request for adjoining sections reads, unless one section is larger

var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("checkpoint: zstd options: " + err.Error())
	}
	return d
})

// ReadSections reads the sections of the given shards out of a segment, adjoining ones in one request,
// and hands each to use in ascending order of shards; shards without a section are passed over. A
// section that reaches use is whole and verified. Use owns it.
func (a *Application) ReadSections(ctx context.Context, s *Segment, shards []core.ShardID, use func(core.ShardID, *Section) error) error {
	wanted := slices.Sorted(slices.Values(shards))
	refs := make([]SectionRef, 0, len(wanted))
	for i := range s.Sections {
		if _, ok := slices.BinarySearch(wanted, s.Sections[i].Shard); ok {
			refs = append(refs, s.Sections[i])
		}
	}
	for len(refs) > 0 {
		n := adjoining(refs, maxSegmentRead)
		if err := a.readRun(ctx, s, refs[:n], use); err != nil {
			return fmt.Errorf("read segment of checkpoint %d: %w", s.Checkpoint, err)
		}
		refs = refs[n:]
	}
	return nil
}

// adjoining counts how many sections at the front one request of limit bytes can read; at least one.
func adjoining(refs []SectionRef, limit int64) int {
	end := refs[0].Offset + refs[0].Length
	for i := 1; i < len(refs); i++ {
		if refs[i].Offset != end || end+refs[i].Length-refs[0].Offset > limit {
			return i
		}
		end += refs[i].Length
	}
	return len(refs)
}

func (a *Application) readRun(ctx context.Context, s *Segment, refs []SectionRef, use func(core.ShardID, *Section) error) error {
	start := refs[0].Offset
	last := refs[len(refs)-1]
	b, err := a.bucket.ReadRange(ctx, a.key(s.Name), start, last.Offset+last.Length-start)
	if err != nil {
		return a.missing(s, start, err)
	}
	return a.useRun(s, refs, b, use)
}

// useRun hands over the sections that lie in b, one behind the other.
func (a *Application) useRun(s *Segment, refs []SectionRef, b []byte, use func(core.ShardID, *Section) error) error {
	start := refs[0].Offset
	for i := range refs {
		r := &refs[i]
		section, err := decodeSection(a.key(s.Name), b[r.Offset-start:][:r.Length], r, s.Checkpoint)
		if err != nil {
			return err
		}
		if err := use(r.Shard, section); err != nil {
			return err
		}
	}
	return nil
}

// decodeSection verifies and decompresses the stored bytes of the section that ref names.
func decodeSection(object string, b []byte, ref *SectionRef, n core.CheckpointID) (*Section, error) {
	if got := checksum(b); got != ref.Checksum {
		if err := firstBadBlock(object, b, ref); err != nil {
			return nil, err
		}
		return nil, damaged(object, ref.Offset, "checksum of shard %d's section of %d bytes is %08x, the manifest says %08x", ref.Shard, len(b), got, ref.Checksum)
	}
	d := &decoder{object: object, b: b, off: ref.Offset}
	shard, blocks, s := d.sectionHeader()
	if d.err == nil && (shard != ref.Shard || s.nextSeq != ref.NextSeq || s.rows != ref.Rows) {
		d.fail("section is of shard %d with %d rows, the manifest says shard %d with %d rows", shard, s.rows, ref.Shard, ref.Rows)
	}
	if d.err == nil && s.checkpoint != n {
		d.fail("section is of checkpoint %d, the manifest says %d", s.checkpoint, n)
	}
	section := &Section{nextSeq: s.nextSeq, rows: s.rows}
	rows := uint64(0)
	for range blocks {
		if d.err != nil {
			break
		}
		block := d.block()
		k, err := countRows(block)
		if err != nil {
			d.fail("%v", err)
		}
		rows += k
		section.push(block)
	}
	if d.err == nil && rows != section.rows {
		d.fail("section holds %d rows, its header says %d", rows, section.rows)
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return section, nil
}

type sectionHead struct {
	checkpoint core.CheckpointID
	nextSeq    core.Seq
	rows       uint64
}

func (d *decoder) sectionHeader() (core.ShardID, uint32, sectionHead) {
	raw, at := d.b, d.off
	shard := core.ShardID(d.uint32("section's shard"))
	h := sectionHead{
		checkpoint: core.CheckpointID(d.uint64("section's checkpoint")),
		nextSeq:    core.Seq(d.uint64("section's next sequence number")),
		rows:       d.uint64("section's rows"),
	}
	blocks := d.uint32("section's blocks")
	sum := d.uint32("section header's checksum")
	if d.err == nil && checksum(raw[:sectionHeader-4]) != sum {
		d.off = at
		d.fail("checksum of the section's header is wrong")
	}
	if uint64(blocks)*blockHeader > uint64(len(d.b)) {
		d.fail("%d blocks do not fit in the %d bytes left", blocks, len(d.b))
	}
	return shard, blocks, h
}

// storedBlock reads a block's header and returns the bytes that it announces, checked.
func (d *decoder) storedBlock() (rows uint32, plain bool, stored []byte) {
	at := d.off
	head := d.take(blockHeader, "block's header")
	if head == nil {
		return 0, false, nil
	}
	rows = binary.BigEndian.Uint32(head)
	size := binary.BigEndian.Uint32(head[4:])
	plain = size&plainBlock != 0
	size &^= plainBlock
	if rows == 0 || rows > maxBlock || size > rows || (plain && size != rows) {
		d.off = at
		d.fail("block announces %d bytes of rows in %d", rows, size)
		return 0, false, nil
	}
	if uint64(size) > uint64(len(d.b)) {
		d.off = at
		d.fail("block announces %d stored bytes, %d are left", size, len(d.b))
		return 0, false, nil
	}
	stored = d.take(int(size), "block")
	if crcOf(head[:8], stored) != binary.BigEndian.Uint32(head[8:]) {
		d.off = at
		d.fail("checksum of the block of %d bytes is wrong", size)
		return 0, false, nil
	}
	return rows, plain, stored
}

// block reads a block and returns its rows.
func (d *decoder) block() []byte {
	n, plain, stored := d.storedBlock()
	if d.err != nil || plain {
		return stored
	}
	var head zstd.Header
	if err := head.Decode(stored); err != nil || !head.HasFCS || head.FrameContentSize != uint64(n) {
		d.fail("block's compressed bytes do not begin with a frame of %d bytes", n)
		return nil
	}
	rows, err := zstdDecoder().DecodeAll(stored, make([]byte, 0, n))
	if err != nil || len(rows) != int(n) {
		d.fail("block of %d bytes decompresses to %d: %v", n, len(rows), err)
		return nil
	}
	return rows
}

// firstBadBlock finds the place of damage in a section whose checksum is wrong; nil if every part of
// it is right by itself, as in a section of something else.
func firstBadBlock(object string, b []byte, ref *SectionRef) error {
	d := &decoder{object: object, b: b, off: ref.Offset}
	_, blocks, _ := d.sectionHeader()
	for range blocks {
		if d.err != nil {
			break
		}
		d.storedBlock()
	}
	return d.end()
}
