package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

const (
	blockTarget = 128 << 10 // bytes of rows at which a block ends
	blockFirst  = 4 << 10   // capacity with which a section's first block begins
	maxBlock    = 1 << 30   // bytes of a block, which holds one row at least
)

// ErrRowSize means that a row's key and value together have a GiB or more.
var ErrRowSize = errors.New("row is too large for a segment")

// Section is what one shard contributes to one segment: its rows, encoded once but not yet
// compressed, so that the same Section goes into the segment and into the shard's store. It does not
// alias the overlay that it was made of. Safe for concurrent readers.
type Section struct {
	nextSeq core.Seq
	rows    uint64
	size    int64
	blocks  [][]byte // each holds whole rows
}

// blockPool keeps blocks of full capacity for the next checkpoint.
var blockPool = sync.Pool{New: func() any { return new([blockTarget]byte) }}

// EncodeSection encodes rows in their order, in which of two with one key the later counts, and the
// shard's next sequence number at the cut. It keeps nothing of a row after the yield. The only error
// is ErrRowSize.
func EncodeSection(rows iter.Seq[core.Row], nextSeq core.Seq) (*Section, error) {
	s := &Section{nextSeq: nextSeq}
	block := make([]byte, 0, blockFirst)
	var err error
	for row := range rows {
		need := len(row.Key) + len(row.Value) + 2*binary.MaxVarintLen32
		if need >= maxBlock {
			err = fmt.Errorf("%w: key %.64q, value of %d bytes", ErrRowSize, row.Key, len(row.Value))
			break
		}
		if len(block)+need > cap(block) {
			block = s.roomFor(block, need)
		}
		block = appendRow(block, row)
		s.rows++
	}
	s.push(block)
	if err != nil {
		s.Release()
		return nil, err
	}
	return s, nil
}

// roomFor returns a block with room for need more bytes: a larger copy of a small first block, or
// the next one.
func (s *Section) roomFor(block []byte, need int) []byte {
	if cap(block) < blockTarget && len(block)+need <= blockTarget {
		larger := append(blockPool.Get().(*[blockTarget]byte)[:0], block...)
		return larger
	}
	s.push(block)
	if need > blockTarget {
		return make([]byte, 0, need)
	}
	return blockPool.Get().(*[blockTarget]byte)[:0]
}

func (s *Section) push(block []byte) {
	if len(block) > 0 {
		s.blocks = append(s.blocks, block)
		s.size += int64(len(block))
	}
}

// NextSeq is the shard's next sequence number at the cut.
func (s *Section) NextSeq() core.Seq { return s.nextSeq }

// Len is the number of rows.
func (s *Section) Len() uint64 { return s.rows }

// Size is the size of the encoded rows in bytes, before compression.
func (s *Section) Size() int64 { return s.size }

// Rows yields the rows in the order in which they were encoded. Their bytes stay valid until Release
// and must not be changed.
func (s *Section) Rows() iter.Seq[core.Row] {
	return func(yield func(core.Row) bool) {
		for _, b := range s.blocks {
			for len(b) > 0 {
				row, rest, err := cutRow(b)
				if err != nil {
					panic("checkpoint: a section's own rows do not parse: " + err.Error()) // checked when it was made
				}
				if !yield(row) {
					return
				}
				b = rest
			}
		}
	}
}

// Release hands the memory back for the next section. The section and its rows must not be used
// afterwards. Optional.
func (s *Section) Release() {
	for _, b := range s.blocks {
		if cap(b) == blockTarget {
			blockPool.Put((*[blockTarget]byte)(b[:blockTarget]))
		}
	}
	*s = Section{}
}

// appendRow appends length of key and deletion in one varint, the key, and unless it is a deletion
// the length of the value and the value.
func appendRow(b []byte, row core.Row) []byte {
	head := uint64(len(row.Key)) << 1
	if row.Delete {
		b = binary.AppendUvarint(b, head|1)
		return append(b, row.Key...)
	}
	b = binary.AppendUvarint(b, head)
	b = append(b, row.Key...)
	b = binary.AppendUvarint(b, uint64(len(row.Value)))
	return append(b, row.Value...)
}

var errBlock = errors.New("rows of a block do not parse")

// cutRow reads the row at the start of b; its slices alias b.
func cutRow(b []byte) (row core.Row, rest []byte, err error) {
	head, b, ok := cutVarint(b)
	if !ok || head>>1 > uint64(len(b)) {
		return row, nil, errBlock
	}
	n := head >> 1
	row.Key, b = b[:n:n], b[n:]
	if head&1 == 1 {
		row.Delete = true
		return row, b, nil
	}
	n, b, ok = cutVarint(b)
	if !ok || n > uint64(len(b)) {
		return row, nil, errBlock
	}
	row.Value = b[:n:n]
	return row, b[n:], nil
}

func cutVarint(b []byte) (v uint64, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), b[1:], true
	}
	v, n := binary.Uvarint(b)
	if n <= 0 || (n > 1 && b[n-1] == 0) {
		return 0, nil, false
	}
	return v, b[n:], true
}

// countRows checks that a block holds whole rows, and counts them.
func countRows(b []byte) (uint64, error) {
	n := uint64(0)
	for len(b) > 0 {
		_, rest, err := cutRow(b)
		if err != nil {
			return 0, err
		}
		b = rest
		n++
	}
	return n, nil
}
