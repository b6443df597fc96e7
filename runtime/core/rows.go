package core

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Row is one key of a shard with its new value, or its deletion. The rows of an overlay, of a segment's
// section and of a commit are in order: of two with one key the later counts.
type Row struct {
	Key    []byte
	Value  []byte
	Delete bool
}

// Tables of a shard: the first byte of a row's key. In the tables of Addresses, dedupe ids and
// mailboxes the hash of the id follows (big-endian), so that a shard can be split as ranges.
// Keys that begin with a zero byte belong to the store itself.
const (
	TableAddress byte = 'A' // hash, Address, sub-table, name
	TableDedupe  byte = 'D' // hash, Address, dedupe id
	TableFailure byte = 'F' // time, seq: dead letters kept for putting back
	TableMailbox byte = 'M' // hash, Address, seq
	TableOutbox  byte = 'O' // egress, epoch, seq
	TableSpecs   byte = 'S' // function type
	TableTimer   byte = 'T' // due, seq
)

// Sub-tables of an Address's rows, in key order. A load reads those below SubToken.
const (
	SubHeld   byte = 'h' // the failure for which the Address is held
	SubState  byte = 's' // a state's value: an encoded TypedValue
	SubAccess byte = 'x' // a state's last write or access, for its expiry
	SubToken  byte = 'z' // cancellation token to timer
)

var errRow = errors.New("damaged row")

func rowError(what string, b []byte) error {
	if len(b) > 48 {
		b = b[:48]
	}
	return fmt.Errorf("%w: %s: %q", errRow, what, b)
}

// ErrRow is what every decoder of this file wraps when bytes are not a row of the expected form.
func ErrRow() error { return errRow }

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func cutBytes(b []byte) (v, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) { //nolint:gosec // w is at most len(b)
		return nil, nil, false
	}
	end := w + int(n) //nolint:gosec // n is at most len(b)
	return b[w:end:end], b[end:], true
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	v, rest, ok := cutBytes(b)
	return string(v), rest, ok
}

func cutUint64(b []byte) (v uint64, rest []byte, ok bool) {
	if len(b) < 8 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint64(b), b[8:], true
}

// appendAddressKey appends table, hash and Address: the prefix of all rows of one Address in table.
func appendAddressKey(b []byte, table byte, hash uint64, a Address) []byte {
	b = append(b, table)
	b = binary.BigEndian.AppendUint64(b, hash)
	b = appendString(b, string(a.Type))
	return appendString(b, a.ID)
}

// AddressPrefix is the prefix of all rows that a has in table.
func AddressPrefix(table byte, a Address) []byte {
	return appendAddressKey(nil, table, a.Hash(), a)
}

// CutAddressKey reads the Address at the start of a key of TableAddress, TableDedupe or
// TableMailbox, and returns what follows it.
func CutAddressKey(key []byte) (a Address, rest []byte, err error) {
	if len(key) < 9 {
		return Address{}, nil, rowError("address key", key)
	}
	typ, rest, ok := cutString(key[9:])
	if !ok {
		return Address{}, nil, rowError("address key", key)
	}
	id, rest, ok := cutString(rest)
	if !ok {
		return Address{}, nil, rowError("address key", key)
	}
	a = Address{Type: FunctionType(typ), ID: id}
	if binary.BigEndian.Uint64(key[1:9]) != a.Hash() {
		return Address{}, nil, rowError("hash of address key", key)
	}
	return a, rest, nil
}

// StateKey is the key of a state's value.
func StateKey(a Address, name string) []byte {
	return append(append(AddressPrefix(TableAddress, a), SubState), name...)
}

// MailboxKey is the key of a waiting message.
func MailboxKey(a Address, seq Seq) []byte {
	return binary.BigEndian.AppendUint64(AddressPrefix(TableMailbox, a), uint64(seq))
}

// CutSeq reads the sequence number that ends a mailbox key.
func CutSeq(rest []byte) (Seq, error) {
	v, rest, ok := cutUint64(rest)
	if !ok || len(rest) != 0 {
		return 0, rowError("sequence number", rest)
	}
	return Seq(v), nil
}

// DedupeKey is the key of a dedupe id of a target Address.
func DedupeKey(a Address, id string) []byte {
	return append(AddressPrefix(TableDedupe, a), id...)
}

// TokenKey is the key that leads from a cancellation token of a sender to its timer.
func TokenKey(sender Address, token string) []byte {
	return append(append(AddressPrefix(TableAddress, sender), SubToken), token...)
}

// TimerKey orders timers of a shard: by due time, then in the order in which they were set.
type TimerKey struct {
	Due Millis
	Seq Seq
}

// Less reports whether k comes before o.
func (k TimerKey) Less(o TimerKey) bool {
	return k.Due < o.Due || (k.Due == o.Due && k.Seq < o.Seq)
}

// Append appends the row key of the timer. Due times before 1970 count as 1970.
func (k TimerKey) Append(b []byte) []byte {
	b = append(b, TableTimer)
	return k.AppendValue(b)
}

// AppendValue appends the timer key as 16 bytes, the form in which a token's row holds it.
func (k TimerKey) AppendValue(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(max(k.Due, 0))) //nolint:gosec // not negative
	return binary.BigEndian.AppendUint64(b, uint64(k.Seq))
}

// ParseTimerKey reads the 16 bytes that AppendValue writes.
func ParseTimerKey(b []byte) (TimerKey, error) {
	if len(b) != 16 {
		return TimerKey{}, rowError("timer key", b)
	}
	due := binary.BigEndian.Uint64(b)
	if due > 1<<62 {
		return TimerKey{}, rowError("timer key", b)
	}
	return TimerKey{Due: Millis(due), Seq: Seq(binary.BigEndian.Uint64(b[8:]))}, nil
}

// OutboxKey orders the records of one egress in a shard: by the checkpoint that holds them, then as emitted.
type OutboxKey struct {
	Epoch Epoch
	Seq   Seq
}

// Less reports whether k comes before o.
func (k OutboxKey) Less(o OutboxKey) bool {
	return k.Epoch < o.Epoch || (k.Epoch == o.Epoch && k.Seq < o.Seq)
}

// OutboxPrefix is the prefix of all records of an egress.
func OutboxPrefix(egress string) []byte {
	return appendString([]byte{TableOutbox}, egress)
}

// Append appends the row key of a record of the egress.
func (k OutboxKey) Append(b []byte, egress string) []byte {
	b = append(b, TableOutbox)
	b = appendString(b, egress)
	b = binary.BigEndian.AppendUint64(b, uint64(k.Epoch))
	return binary.BigEndian.AppendUint64(b, uint64(k.Seq))
}

// ParseOutboxKey reads a key of TableOutbox.
func ParseOutboxKey(key []byte) (egress string, k OutboxKey, err error) {
	if len(key) == 0 || key[0] != TableOutbox {
		return "", k, rowError("outbox key", key)
	}
	egress, rest, ok := cutString(key[1:])
	if !ok || len(rest) != 16 {
		return "", k, rowError("outbox key", key)
	}
	k.Epoch = Epoch(binary.BigEndian.Uint64(rest))
	k.Seq = Seq(binary.BigEndian.Uint64(rest[8:]))
	return egress, k, nil
}

// SpecsKey is the key of what was learned of a function type.
func SpecsKey(t FunctionType) []byte { return append([]byte{TableSpecs}, t...) }

func appendMillis(b []byte, m Millis) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(m)) //nolint:gosec // two's complement, read back the same way
}

// AppendMillis appends a time as the eight bytes that ParseMillis reads.
func AppendMillis(b []byte, m Millis) []byte { return appendMillis(b, m) }

// ParseMillis reads the value of an access or dedupe row.
func ParseMillis(b []byte) (Millis, error) {
	v, rest, ok := cutUint64(b)
	if !ok || len(rest) != 0 {
		return 0, rowError("time", b)
	}
	return Millis(v), nil //nolint:gosec // two's complement
}
