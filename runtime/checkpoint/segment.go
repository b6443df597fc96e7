package checkpoint

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/stateway/stateway/runtime/core"
)

const (
	segmentMagic  = "stwyseg\x02"
	segmentEnd    = "stwyend\x01"
	segmentHeader = 48
	sectionHeader = 36
	blockHeader   = 12
	indexEntry    = 40
	segmentFooter = 36
	plainBlock    = 1 << 31 // flag in a block's stored length: not compressed
	outputChunk   = 1 << 20
)

// zstdEncoder is shared by all: EncodeAll is safe for concurrent use and starts no goroutine.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		panic("checkpoint: zstd options: " + err.Error())
	}
	return e
})

// SegmentWriter builds one node's segment of one checkpoint in memory, compressed: Add per shard, in
// ascending order, then Upload. It belongs to one goroutine.
type SegmentWriter struct {
	app     *Application
	segment *Segment
	chunks  [][]byte // output in pieces, so that it is never copied to grow
	starts  []int64  // offset of each chunk
	length  int64
	rowSize int64
}

// NewSegment begins a segment under a fresh name of generation g.
func (a *Application) NewSegment(g core.Generation, n core.CheckpointID, node core.NodeID) (*SegmentWriter, error) {
	random, err := drawRandom(a.opt.Random)
	if err != nil {
		return nil, err
	}
	w := &SegmentWriter{app: a, segment: &Segment{Name: segmentName(g, n, node, random), Checkpoint: n, Node: node}}
	b := w.grow(segmentHeader)
	b = append(b, segmentMagic...)
	b = append(b, a.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(g))
	b = binary.BigEndian.AppendUint64(b, uint64(n))
	b = binary.BigEndian.AppendUint32(b, uint32(node))
	w.commit(appendCRC(b, 0))
	return w, nil
}

// grow returns an empty slice with room for n bytes at the end of the output.
func (w *SegmentWriter) grow(n int) []byte {
	if k := len(w.chunks) - 1; k >= 0 {
		c := w.chunks[k]
		if cap(c)-len(c) >= n {
			return c[len(c):]
		}
	}
	size := max(n, min(outputChunk, blockFirst<<(2*len(w.chunks))))
	w.chunks = append(w.chunks, make([]byte, 0, size))
	w.starts = append(w.starts, w.length)
	return w.chunks[len(w.chunks)-1]
}

// commit takes what was appended to the slice that grow returned. The encoder may have moved it: while it tries, its output
// can be larger for a moment than what it announces as the most.
func (w *SegmentWriter) commit(b []byte) {
	k := len(w.chunks) - 1
	c := w.chunks[k]
	if room := c[len(c):cap(c)]; len(b) <= len(room) && len(b) > 0 && &b[0] == &room[0] {
		w.chunks[k] = c[:len(c)+len(b)]
	} else {
		w.chunks[k] = append(c, b...)
	}
	w.length += int64(len(b))
	w.segment.Checksum = crc32.Update(w.segment.Checksum, castagnoli, b)
}

// Add appends the section of a shard; shards must ascend. A section without rows is worth adding only
// if its NextSeq has moved.
func (w *SegmentWriter) Add(shard core.ShardID, s *Section) error {
	refs := w.segment.Sections
	if len(refs) > 0 && refs[len(refs)-1].Shard >= shard {
		return fmt.Errorf("segment %s: section of shard %d behind that of shard %d", w.segment.Name, shard, refs[len(refs)-1].Shard)
	}
	ref := SectionRef{Shard: shard, Offset: w.length, Rows: s.rows, NextSeq: s.nextSeq}
	b := w.grow(sectionHeader)
	b = binary.BigEndian.AppendUint32(b, uint32(shard))
	b = binary.BigEndian.AppendUint64(b, uint64(w.segment.Checkpoint))
	b = binary.BigEndian.AppendUint64(b, uint64(s.nextSeq))
	b = binary.BigEndian.AppendUint64(b, s.rows)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.blocks))) //nolint:gosec // 2^32 blocks do not fit in memory
	b = appendCRC(b, 0)
	w.commit(b)
	ref.Checksum = checksum(b)
	for _, rows := range s.blocks {
		b := appendBlock(w.grow(blockHeader+zstdEncoder().MaxEncodedSize(len(rows))), rows)
		w.commit(b)
		ref.Checksum = crc32.Update(ref.Checksum, castagnoli, b)
	}
	ref.Length = w.length - ref.Offset
	w.segment.Sections = append(refs, ref)
	w.rowSize += s.size
	return nil
}

// appendBlock appends a block's header and its rows, compressed if that makes them smaller.
func appendBlock(b, rows []byte) []byte {
	var head [blockHeader]byte
	b = zstdEncoder().EncodeAll(rows, append(b, head[:]...))
	flag := uint32(0)
	if len(b)-blockHeader >= len(rows) {
		b = append(b[:blockHeader], rows...)
		flag = plainBlock
	}
	stored := b[blockHeader:]
	binary.BigEndian.PutUint32(b, uint32(len(rows)))            //nolint:gosec // less than maxBlock
	binary.BigEndian.PutUint32(b[4:], uint32(len(stored))|flag) //nolint:gosec // likewise
	sum := crc32.Update(checksum(b[:8]), castagnoli, stored)
	binary.BigEndian.PutUint32(b[8:], sum)
	return b
}

// RowBytes is the size of the rows added so far, encoded but not compressed.
func (w *SegmentWriter) RowBytes() int64 { return w.rowSize }

// Upload ends the segment and creates its object. The Segment that it returns goes into the manifest.
// An error may leave an object behind, to which nothing refers; a new try takes a new writer.
func (w *SegmentWriter) Upload(ctx context.Context) (*Segment, error) {
	w.finish()
	if err := w.app.createFresh(ctx, w.segment.Name, w, w.length); err != nil {
		return nil, fmt.Errorf("upload segment %s of checkpoint %d: %w", w.segment.Name, w.segment.Checkpoint, err)
	}
	return w.segment, nil
}

// finish appends index and footer.
func (w *SegmentWriter) finish() {
	refs := w.segment.Sections
	indexAt := w.length
	b := w.grow(len(refs)*indexEntry + segmentFooter)
	for i := range refs {
		r := &refs[i]
		b = binary.BigEndian.AppendUint32(b, uint32(r.Shard))
		b = binary.BigEndian.AppendUint64(b, uint64(r.Offset)) //nolint:gosec // not negative
		b = binary.BigEndian.AppendUint64(b, uint64(r.Length)) //nolint:gosec // not negative
		b = binary.BigEndian.AppendUint32(b, r.Checksum)
		b = binary.BigEndian.AppendUint64(b, r.Rows)
		b = binary.BigEndian.AppendUint64(b, uint64(r.NextSeq))
	}
	sum := checksum(b)
	b = binary.BigEndian.AppendUint64(b, uint64(indexAt))   //nolint:gosec // not negative
	b = binary.BigEndian.AppendUint32(b, uint32(len(refs))) //nolint:gosec // at most core.MaxShards
	b = binary.BigEndian.AppendUint32(b, sum)
	b = binary.BigEndian.AppendUint64(b, uint64(indexAt)+uint64(len(refs)*indexEntry+segmentFooter)) //nolint:gosec // not negative
	b = appendCRC(b, len(refs)*indexEntry)
	b = append(b, segmentEnd...)
	w.commit(b)
	w.segment.Length = w.length
}

// ReadAt reads from the segment as built so far; Upload hands the writer to the bucket as a body.
func (w *SegmentWriter) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= w.length {
		return 0, io.EOF
	}
	k := sort.Search(len(w.starts), func(i int) bool { return w.starts[i] > off }) - 1
	n := copy(p, w.chunks[k][off-w.starts[k]:])
	for n < len(p) && k+1 < len(w.chunks) {
		k++
		n += copy(p[n:], w.chunks[k])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
