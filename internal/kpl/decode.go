package kpl

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the format's own checksum, no protection
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	magic      = "\xf3\x89\x9a\xc2"
	digestSize = md5.Size
	// Overhead is the bytes of an aggregate beside its tables and records.
	Overhead = len(magic) + digestSize
)

var (
	// ErrDamaged: the bytes begin like an aggregate, and are none. Every error of Decode wraps it.
	ErrDamaged = errors.New("damaged KPL aggregate")
	// ErrChecksum: the MD5 at the end is not that of the content. It wraps ErrDamaged. A plain record that begins with the magic
	// by chance gives this error, too: the KCL hands such a record on as it is.
	ErrChecksum = fmt.Errorf("%w: its MD5 is wrong", ErrDamaged)
)

// Record is one record of an aggregate. Its slices are parts of the bytes that were decoded.
type Record struct {
	// PartitionKey is as the producer wrote it; nothing says that it is UTF-8, or at most 256 characters.
	PartitionKey []byte
	// ExplicitHashKey is nil if the record has none.
	ExplicitHashKey []byte
	Data            []byte
}

// IsAggregate reports whether data begins like an aggregate and has room for one.
func IsAggregate(data []byte) bool {
	return len(data) >= Overhead && string(data[:len(magic)]) == magic
}

// Decode appends the records of an aggregate to out, in their order. aggregated is false, and nothing is appended, if data does
// not begin like an aggregate: then it is a record itself. It is true with every error, and then nothing is appended either.
// A record takes 72 bytes in out and at least 6 in data. It is safe for concurrent use.
func Decode(data []byte, out []Record) (records []Record, aggregated bool, err error) {
	if !IsAggregate(data) {
		return out, false, nil
	}
	body := data[len(magic) : len(data)-digestSize]
	sum := md5.Sum(body) //nolint:gosec // see above
	if !bytes.Equal(sum[:], data[len(data)-digestSize:]) {
		return out, true, ErrChecksum
	}
	var keyRoom, hashRoom [64][]byte // on the stack: most aggregates have few keys
	keys, hashes, err := readTables(body, keyRoom[:0], hashRoom[:0])
	if err != nil {
		return out, true, err
	}
	grown, err := readRecords(body, tables{keys, hashes}, out)
	if err != nil {
		return out, true, err
	}
	return grown, true, nil
}

// tables are what the records' indexes point into.
type tables struct {
	keys, hashes [][]byte
}

// readTables collects both tables, which may stand anywhere among the records. (It returns them rather than filling a tables, because
// then they need not be on the heap.)
func readTables(body []byte, keys, hashes [][]byte) (allKeys, allHashes [][]byte, err error) {
	for at := 0; at < len(body); {
		f, next, ok := nextField(body, at)
		if !ok {
			return nil, nil, damaged("cut short", at)
		}
		switch {
		case f.num == 1 && f.wire == wireBytes:
			keys = append(keys, f.bytes)
		case f.num == 2 && f.wire == wireBytes:
			hashes = append(hashes, f.bytes)
		case f.num <= 3 && f.wire != wireBytes:
			return nil, nil, damaged("a table or record that is no bytes", at)
		}
		at = next
	}
	return keys, hashes, nil
}

func readRecords(body []byte, t tables, out []Record) ([]Record, error) {
	for at := 0; at < len(body); {
		f, next, ok := nextField(body, at)
		if !ok {
			return out, damaged("cut short", at)
		}
		if f.num == 3 {
			out = append(out, Record{})
			if problem := t.readRecord(f.bytes, &out[len(out)-1]); problem != "" {
				return out, damaged(problem, at)
			}
		}
		at = next
	}
	return out, nil
}

// readRecord fills r and says what is wrong with it; "" if nothing.
func (t tables) readRecord(b []byte, r *Record) (problem string) {
	hasKey := false
	for at := 0; at < len(b); {
		f, next, ok := nextField(b, at)
		if !ok {
			return "a record cut short"
		}
		switch {
		case f.num == 1 && f.wire == wireVarint:
			if f.value >= uint64(len(t.keys)) {
				return "a partition key index out of range"
			}
			r.PartitionKey, hasKey = t.keys[f.value], true
		case f.num == 2 && f.wire == wireVarint:
			if f.value >= uint64(len(t.hashes)) {
				return "an explicit hash key index out of range"
			}
			r.ExplicitHashKey = t.hashes[f.value]
		case f.num == 3 && f.wire == wireBytes:
			r.Data = f.bytes
		case f.num <= 3:
			return "a record's field of another type"
		}
		at = next
	}
	switch {
	case !hasKey:
		return "a record without partition key"
	case r.Data == nil:
		return "a record without data"
	}
	return ""
}

func damaged(problem string, at int) error {
	return fmt.Errorf("%w: %s at byte %d of its message", ErrDamaged, problem, at)
}

const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// field is one protobuf field: value with wireVarint, bytes with wireBytes (not nil, and not to be appended to).
type field struct {
	num   uint64
	wire  uint64
	value uint64
	bytes []byte
}

// nextField reads the field at b[at:] and tells where the next one begins. Groups, which no aggregate has, are damage.
func nextField(b []byte, at int) (f field, next int, ok bool) {
	tag, at, ok := uvarint(b, at)
	if f.num, f.wire = tag>>3, tag&7; !ok || f.num == 0 || f.num > 1<<29-1 {
		return f, at, false
	}
	switch f.wire {
	case wireVarint:
		f.value, at, ok = uvarint(b, at)
		return f, at, ok
	case wireBytes:
		size, at, ok := uvarint(b, at)
		if !ok || size > uint64(len(b)-at) { //nolint:gosec // at is at most len(b)
			return f, at, false
		}
		end := at + int(size) //nolint:gosec // at most len(b)
		f.bytes = b[at:end:end]
		return f, end, true
	case wireFixed64:
		return f, at + 8, at+8 <= len(b)
	case wireFixed32:
		return f, at + 4, at+4 <= len(b)
	}
	return f, at, false
}

func uvarint(b []byte, at int) (v uint64, next int, ok bool) {
	if at < len(b) && b[at] < 0x80 { // nearly all of them
		return uint64(b[at]), at + 1, true
	}
	v, n := binary.Uvarint(b[at:])
	return v, at + n, n > 0
}
