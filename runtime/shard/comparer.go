package shard

import (
	"bytes"
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateway/stateway/runtime/core"
)

// Format is the version of the rows, the comparer and the Meta. A store of another format is not usable.
const Format = 2

// PebbleFormat is the format major version of the files, which a base carries. It is raised on purpose only.
const PebbleFormat = pebble.FormatValueSeparation

const comparerName = "stateway.rows.v1"

// hashed is the length of table and hash, which begin the keys that carry an Address.
const hashed = 9

// prefixLen is the length of a key up to and including its Address; of other keys it is the whole length.
// No prefix that it finds begins another one, which keeps the order of prefixes that of the bytes.
func prefixLen(key []byte) int {
	if len(key) < hashed || !carriesAddress(key[0]) {
		return len(key)
	}
	typ, ok := skipText(key, hashed)
	if !ok {
		return len(key)
	}
	id, ok := skipText(key, typ)
	if !ok {
		return len(key)
	}
	return id
}

func carriesAddress(table byte) bool {
	return table == core.TableAddress || table == core.TableDedupe || table == core.TableMailbox
}

// skipText returns the offset behind the length-prefixed text at offset at.
func skipText(b []byte, at int) (int, bool) {
	n, w := binary.Uvarint(b[at:])
	if w <= 0 || n > uint64(len(b)-at-w) { //nolint:gosec // Uvarint read w of these bytes
		return 0, false
	}
	return at + w + int(n), true //nolint:gosec // n is at most len(b)
}

// appendPrefixEnd appends the smallest key behind every key that begins with prefix.
func appendPrefixEnd(b, prefix []byte) []byte {
	n := len(prefix)
	for n > 0 && prefix[n-1] == 0xff {
		n--
	}
	if n == 0 {
		return append(b, 0xff)
	}
	b = append(b, prefix[:n]...)
	b[len(b)-1]++
	return b
}

func newComparer() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = comparerName
	c.Split = prefixLen
	c.ComparePointSuffixes = bytes.Compare
	c.CompareRangeSuffixes = bytes.Compare
	c.ImmediateSuccessor = func(dst, prefix []byte) []byte {
		if len(prefix) >= hashed && carriesAddress(prefix[0]) && isAddressPrefix(prefix) {
			return appendPrefixEnd(dst, prefix)
		}
		return append(append(dst, prefix...), 0)
	}
	return &c
}

// isAddressPrefix reports whether prefix is complete: more bytes behind it would not change the Address.
func isAddressPrefix(prefix []byte) bool {
	typ, ok := skipText(prefix, hashed)
	if !ok {
		return false
	}
	_, ok = skipText(prefix, typ)
	return ok
}
