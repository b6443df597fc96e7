package kpl

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the format's own checksum, no protection
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const (
	magic      = "\xf3\x89\x9a\xc2"
	digestSize = md5.Size
	// Overhead is the bytes of an aggregate beside its tables and records.
	Overhead = len(magic) + digestSize
)

var (
	// ErrDamaged: the bytes begin like an aggregate, and are none. Every error of Open wraps it.
	ErrDamaged = errors.New("damaged KPL aggregate")
	// ErrChecksum: the MD5 at the end is not that of the content. It wraps ErrDamaged. A plain record that begins with the magic
	// by chance gives this error, too: the KCL hands such a record on as it is.
	ErrChecksum = fmt.Errorf("%w: its MD5 is wrong", ErrDamaged)
)

// Record is one record of an aggregate. Its slices are parts of the bytes that were opened.
type Record struct {
	// PartitionKey is as the producer wrote it; nothing says that it is UTF-8, or at most 256 characters.
	PartitionKey []byte
	// Key is the number of PartitionKey in the aggregate, below Aggregate.Keys: the same number is the same key.
	Key int
	// ExplicitHashKey is nil if the record has none.
	ExplicitHashKey []byte
	Data            []byte
}

// IsAggregate reports whether data begins like an aggregate and has room for one.
func IsAggregate(data []byte) bool {
	return len(data) >= Overhead && string(data[:len(magic)]) == magic
}

// Aggregate is an aggregate that is taken apart, record by record. The zero value is empty, and Open may be called again: memory is
// used again, too. It belongs to one goroutine.
type Aggregate struct {
	body         []byte
	keys, hashes []uint32 // where the fields of the tables' entries begin
	records      int
	at           int // of the next field
}

// Open looks at data, which must not change while records are taken out of it. It is false if data does not begin like an aggregate: then
// it is a record itself. With every error it is true, and there are no records. All of the aggregate is checked now, so that a damaged
// one gives none of its records. What that takes is 4 bytes for each entry of the tables, which has 2 at least in data.
func (a *Aggregate) Open(data []byte) (aggregated bool, err error) {
	*a = Aggregate{keys: a.keys[:0], hashes: a.hashes[:0]}
	if !IsAggregate(data) {
		return false, nil
	}
	body := data[len(magic) : len(data)-digestSize]
	sum := md5.Sum(body) //nolint:gosec // see above
	if !bytes.Equal(sum[:], data[len(data)-digestSize:]) {
		return true, ErrChecksum
	}
	if uint64(len(body)) > math.MaxUint32 {
		return true, damaged("more than 4 GiB", 0)
	}
	if err := a.check(body); err != nil {
		*a = Aggregate{keys: a.keys[:0], hashes: a.hashes[:0]}
		return true, err
	}
	a.body = body
	return true, nil
}

// Decode appends all records of an aggregate to out. It takes 80 bytes for a record that has 6 at least in data: whoever reads
// strangers' aggregates takes them apart with an Aggregate. aggregated and the errors are those of Open.
func Decode(data []byte, out []Record) (records []Record, aggregated bool, err error) {
	var a Aggregate
	if aggregated, err = a.Open(data); err != nil {
		return out, aggregated, err
	}
	for r, ok := a.Next(); ok; r, ok = a.Next() {
		out = append(out, r)
	}
	return out, aggregated, nil
}

// Len is how many records the aggregate has.
func (a *Aggregate) Len() int { return a.records }

// Keys is how many partition keys the aggregate has.
func (a *Aggregate) Keys() int { return len(a.keys) }

// Room is how many bytes of memory a takes beside the data.
func (a *Aggregate) Room() int { return 4 * (cap(a.keys) + cap(a.hashes)) }

// Next takes out the next record. It is false if there is none.
func (a *Aggregate) Next() (Record, bool) {
	for a.at < len(a.body) {
		f, next, _ := nextField(a.body, a.at)
		a.at = next
		if f.num == 3 {
			return a.record(f.bytes), true
		}
	}
	return Record{}, false
}

// record reads a record that was checked.
func (a *Aggregate) record(b []byte) (r Record) {
	if key, data, ok := usual(b); ok {
		return Record{Key: int(key), PartitionKey: a.entry(a.keys[key]), Data: data} //nolint:gosec // checked: an index of keys
	}
	for at := 0; at < len(b); {
		f, next, _ := nextField(b, at)
		switch f.num {
		case 1:
			r.Key, r.PartitionKey = int(f.value), a.entry(a.keys[f.value]) //nolint:gosec // checked: an index of keys
		case 2:
			r.ExplicitHashKey = a.entry(a.hashes[f.value])
		case 3:
			r.Data = f.bytes
		}
		at = next
	}
	return r
}

// usual reads a record that has a partition key and data, in this order, and nothing else: as nearly all have.
func usual(b []byte) (key uint64, data []byte, ok bool) {
	if len(b) < 4 || b[0] != 1<<3|wireVarint {
		return 0, nil, false
	}
	key, at, ok := uvarint(b, 1)
	if !ok || at >= len(b) || b[at] != 3<<3|wireBytes {
		return 0, nil, false
	}
	size, at, ok := uvarint(b, at+1)
	if !ok || size != uint64(len(b)-at) { //nolint:gosec // at is at most len(b)
		return 0, nil, false
	}
	return key, b[at:], true
}

// entry is the entry of a table whose field begins there.
func (a *Aggregate) entry(at uint32) []byte {
	f, _, _ := nextField(a.body, int(at))
	return f.bytes
}

const countedFrom = 1 << 20 // bytes of an aggregate from which its tables are made just as large as they must be

// check goes through the body and notes where the entries of the tables are, which may stand anywhere among the records.
func (a *Aggregate) check(body []byte) error {
	if len(body) > countedFrom {
		keys, hashes := countTables(body)
		a.keys, a.hashes = withRoom(a.keys, keys), withRoom(a.hashes, hashes)
	}
	var key, hash largest
	for at := 0; at < len(body); {
		f, next, ok := nextField(body, at)
		switch {
		case !ok:
			return damaged("cut short", at)
		case f.num <= 3 && f.wire != wireBytes:
			return damaged("a table or record that is no bytes", at)
		case f.num == 1:
			a.keys = append(a.keys, uint32(at)) //nolint:gosec // below 4 GiB
		case f.num == 2:
			a.hashes = append(a.hashes, uint32(at)) //nolint:gosec // below 4 GiB
		case f.num == 3:
			if problem := checkRecord(f.bytes, at, &key, &hash); problem != "" {
				return damaged(problem, at)
			}
			a.records++
		}
		at = next
	}
	if key.any && key.index >= uint64(len(a.keys)) {
		return damaged("a partition key index out of range", key.at)
	}
	if hash.any && hash.index >= uint64(len(a.hashes)) {
		return damaged("an explicit hash key index out of range", hash.at)
	}
	return nil
}

// withRoom is an empty table for so many entries.
func withRoom(table []uint32, entries int) []uint32 {
	if cap(table) >= entries {
		return table[:0]
	}
	return make([]uint32, 0, entries)
}

// countTables counts the entries of both tables, up to what is damaged.
func countTables(body []byte) (keys, hashes int) {
	for at := 0; at < len(body); {
		f, next, ok := nextField(body, at)
		if !ok {
			break
		}
		switch f.num {
		case 1:
			keys++
		case 2:
			hashes++
		}
		at = next
	}
	return keys, hashes
}

// largest is the largest index of a table that a record has, and where that record begins.
type largest struct {
	any   bool
	index uint64
	at    int
}

func (l *largest) note(index uint64, at int) {
	if !l.any || index > l.index {
		*l = largest{true, index, at}
	}
}

// checkRecord says what is wrong with the record that begins at; "" if nothing. It notes its indexes.
func checkRecord(b []byte, record int, key, hash *largest) (problem string) {
	if index, _, ok := usual(b); ok {
		key.note(index, record)
		return ""
	}
	hasKey, hasData := false, false
	for at := 0; at < len(b); {
		f, next, ok := nextField(b, at)
		switch {
		case !ok:
			return "a record cut short"
		case f.num == 1 && f.wire == wireVarint:
			hasKey = true
			key.note(f.value, record)
		case f.num == 2 && f.wire == wireVarint:
			hash.note(f.value, record)
		case f.num == 3 && f.wire == wireBytes:
			hasData = true
		case f.num <= 3:
			return "a record's field of another type"
		}
		at = next
	}
	switch {
	case !hasKey:
		return "a record without partition key"
	case !hasData:
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
