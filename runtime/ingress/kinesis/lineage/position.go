package lineage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Kind is how a Position says where to go on.
type Kind uint8

const (
	// Horizon: the oldest record that the shard still has.
	Horizon Kind = iota
	// AtTime: the first record that arrived at or after Time.
	AtTime
	// After: behind the record Sequence.
	After
	// Within: in the record Sequence, an aggregate, behind its first Sub records.
	Within
)

// Position is where reading a shard goes on: absolute, so that nothing that arrives later is skipped.
type Position struct {
	Kind     Kind
	Time     int64  // of AtTime: Unix milliseconds
	Sequence string // of After and Within: decimal, as Kinesis writes it
	Sub      int    // of Within: how many records of the aggregate are done, at least 1

	// Seen is a time, in Unix milliseconds, before which no record is still to be read: if the stream's history
	// begins later than that, records may be lost. Zero if nothing is known.
	Seen int64
	// Origin is where the first start of the stream was: Unix milliseconds, zero for the oldest record there was.
	Origin int64
}

// String is the position in words.
func (p Position) String() string {
	switch p.Kind {
	case Horizon:
		return "the oldest record"
	case AtTime:
		return "records from " + time.UnixMilli(p.Time).UTC().Format(time.RFC3339Nano)
	case After:
		return "after " + p.Sequence
	case Within:
		return fmt.Sprintf("after record %d within %s", p.Sub, p.Sequence)
	}
	return fmt.Sprintf("kind %d", p.Kind)
}

const (
	positionVersion  = 1
	maxSequenceBytes = 64      // 154 digits; Kinesis has 56 and allows 129
	maxSub           = 1 << 24 // records of 10 MiB cannot hold more
)

var errPosition = errors.New("not a position of a Kinesis shard")

// Encode appends the position's bytes to b; docs/formats.md draws them. It fails if a number is none or out of range.
func (p Position) Encode(b []byte) ([]byte, error) {
	if p.Seen < 0 || p.Origin < 0 || p.Time < 0 || p.Kind > Within || (p.Kind == Within && (p.Sub < 1 || p.Sub > maxSub)) {
		return nil, fmt.Errorf("position %+v cannot be kept", p)
	}
	if dropSub && p.Kind == Within {
		p.Kind = After
	}
	b = append(b, positionVersion, byte(p.Kind))
	b = binary.AppendUvarint(b, uint64(p.Seen))
	b = binary.AppendUvarint(b, uint64(p.Origin))
	switch p.Kind {
	case Horizon:
		return b, nil
	case AtTime:
		return binary.AppendUvarint(b, uint64(p.Time)), nil
	case After, Within:
	}
	var n big.Int
	if _, ok := n.SetString(p.Sequence, 10); !ok || n.Sign() < 0 || n.BitLen() > 8*maxSequenceBytes {
		return nil, fmt.Errorf("%q is no sequence number", p.Sequence)
	}
	size := (n.BitLen() + 7) / 8
	b = append(b, byte(size)) //nolint:gosec // at most maxSequenceBytes
	b = append(b, n.Bytes()...)
	if p.Kind == Within {
		b = binary.AppendUvarint(b, uint64(p.Sub)) //nolint:gosec // checked above
	}
	return b, nil
}

// ParsePosition reads what Encode wrote; every position has one form.
func ParsePosition(b []byte) (Position, error) {
	r := reader{b: b}
	if v := r.byte(); v != positionVersion && !r.bad {
		return Position{}, fmt.Errorf("version %d: %w", v, errPosition)
	}
	p := Position{Kind: Kind(r.byte())}
	p.Seen, p.Origin = r.varint(), r.varint()
	switch p.Kind {
	case Horizon:
	case AtTime:
		p.Time = r.varint()
	case After:
		p.Sequence = r.sequence()
	case Within:
		p.Sequence = r.sequence()
		sub := r.varint()
		r.bad = r.bad || sub < 1 || sub > maxSub
		p.Sub = int(sub)
	default:
		r.bad = true
	}
	if r.bad || len(r.b) > 0 {
		return Position{}, fmt.Errorf("%x: %w", b[:min(len(b), 100)], errPosition)
	}
	return p, nil
}

// reader takes bytes off b until one is not as it must be.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || len(r.b) < n {
		r.bad = true
		return make([]byte, n)
	}
	head := r.b[:n]
	r.b = r.b[n:]
	return head
}

func (r *reader) byte() byte { return r.take(1)[0] }

// varint reads a number below 2^63 in its shortest form.
func (r *reader) varint() int64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 || v > 1<<63-1 || (n > 1 && r.b[n-1] == 0) {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return int64(v) //nolint:gosec // checked above
}

func (r *reader) sequence() string {
	size := int(r.byte())
	if size > maxSequenceBytes {
		r.bad = true
		return ""
	}
	digits := r.take(size)
	if size > 0 && digits[0] == 0 {
		r.bad = true
	}
	return new(big.Int).SetBytes(digits).String()
}

// CompareSequence compares two sequence numbers: -1, 0 or 1. They are decimal, so that the longer one is larger.
func CompareSequence(a, b string) int {
	switch {
	case len(a) != len(b):
		if len(a) < len(b) {
			return -1
		}
		return 1
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
