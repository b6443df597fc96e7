package kpl

import (
	"crypto/md5" //nolint:gosec // the format's own checksum, no protection
	"encoding/binary"
	"math/bits"
)

// Aggregator collects records into one aggregate. The zero value is empty and ready. It copies what it is given, and belongs to
// one goroutine.
type Aggregator struct {
	keys, hashes table
	records      []byte
	count        int
}

// table is a table as it is encoded, and where its entries are.
type table struct {
	encoded []byte
	index   map[string]uint64
}

// Len is how many records were added since Reset.
func (a *Aggregator) Len() int { return a.count }

// Size is the length of the aggregate in bytes: what AppendTo appends.
func (a *Aggregator) Size() int {
	return Overhead + len(a.keys.encoded) + len(a.hashes.encoded) + len(a.records)
}

// SizeWith is what Size would be with this record added. An empty explicitHashKey is none.
func (a *Aggregator) SizeWith(partitionKey, explicitHashKey string, dataLen int) int {
	key, size := a.keys.find(partitionKey)
	inner := 1 + varintLen(key) + bytesLen(dataLen)
	if explicitHashKey != "" {
		hash, more := a.hashes.find(explicitHashKey)
		inner += 1 + varintLen(hash)
		size += more
	}
	return a.Size() + size + bytesLen(inner)
}

// Add adds a record. An empty explicitHashKey is none. Nothing is checked: Kinesis looks at the aggregate's own key only.
func (a *Aggregator) Add(partitionKey, explicitHashKey string, data []byte) {
	key := a.keys.add(1, partitionKey)
	inner, hash := 1+varintLen(key)+bytesLen(len(data)), uint64(0)
	if explicitHashKey != "" {
		hash = a.hashes.add(2, explicitHashKey)
		inner += 1 + varintLen(hash)
	}
	b := append(a.records, 3<<3|wireBytes)
	b = binary.AppendUvarint(b, uint64(inner)) //nolint:gosec // a length
	b = append(b, 1<<3|wireVarint)
	b = binary.AppendUvarint(b, key)
	if explicitHashKey != "" {
		b = append(b, 2<<3|wireVarint)
		b = binary.AppendUvarint(b, hash)
	}
	b = append(b, 3<<3|wireBytes)
	b = binary.AppendUvarint(b, uint64(len(data)))
	a.records = append(b, data...)
	a.count++
}

// AppendTo appends the aggregate to dst. What was added stays.
func (a *Aggregator) AppendTo(dst []byte) []byte {
	dst = append(dst, magic...)
	start := len(dst)
	dst = append(dst, a.keys.encoded...)
	dst = append(dst, a.hashes.encoded...)
	dst = append(dst, a.records...)
	sum := md5.Sum(dst[start:]) //nolint:gosec // see above
	return append(dst, sum[:]...)
}

// Reset forgets the records and keeps the memory.
func (a *Aggregator) Reset() {
	a.keys.reset()
	a.hashes.reset()
	a.records = a.records[:0]
	a.count = 0
}

// find tells the place of text in the table, and by how many bytes the table grows if it is added.
func (t *table) find(text string) (at uint64, growth int) {
	if at, ok := t.index[text]; ok {
		return at, 0
	}
	return uint64(len(t.index)), bytesLen(len(text))
}

func (t *table) add(num byte, text string) uint64 {
	if at, ok := t.index[text]; ok {
		return at
	}
	if t.index == nil {
		t.index = map[string]uint64{}
	}
	at := uint64(len(t.index))
	t.index[text] = at
	t.encoded = append(t.encoded, num<<3|wireBytes)
	t.encoded = binary.AppendUvarint(t.encoded, uint64(len(text)))
	t.encoded = append(t.encoded, text...)
	return at
}

func (t *table) reset() {
	t.encoded = t.encoded[:0]
	clear(t.index)
}

func varintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// bytesLen is the length of a field of n bytes, with tag and length.
func bytesLen(n int) int { return 1 + varintLen(uint64(n)) + n } //nolint:gosec // a length
