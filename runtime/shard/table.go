package shard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/stateway/stateway/runtime/core"
)

// table is rows sorted by key; it never changes.
type table struct {
	keys   []string
	values [][]byte
}

// with is the table with changes made; a nil value deletes.
func (t *table) with(changes map[string][]byte) *table {
	n := &table{keys: make([]string, 0, len(t.keys)+len(changes)), values: make([][]byte, 0, len(t.keys)+len(changes))}
	at := 0
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		for at < len(t.keys) && t.keys[at] < key {
			n.put(t.keys[at], t.values[at])
			at++
		}
		if at < len(t.keys) && t.keys[at] == key {
			at++
		}
		if v := changes[key]; v != nil {
			n.put(key, v)
		}
	}
	for ; at < len(t.keys); at++ {
		n.put(t.keys[at], t.values[at])
	}
	return n
}

func (t *table) put(key string, value []byte) {
	t.keys = append(t.keys, key)
	t.values = append(t.values, value)
}

// find is the index of the first key at or behind key.
func (t *table) find(key []byte) int {
	k := string(key)
	return sort.Search(len(t.keys), func(i int) bool { return t.keys[i] >= k })
}

func (t *table) size() uint64 {
	n := 0
	for i := range t.keys {
		n += len(t.keys[i]) + len(t.values[i])
	}
	return uint64(n) //nolint:gosec // not negative
}

// tableFile is the only file of a base of a Set in memory: each row's key and value, length-prefixed, and the XXH64 of that.
const tableFile = "rows"

func appendTable(b []byte, t *table) []byte {
	for i, k := range t.keys {
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
		b = binary.AppendUvarint(b, uint64(len(t.values[i])))
		b = append(b, t.values[i]...)
	}
	return binary.BigEndian.AppendUint64(b, xxhash.Sum64(b))
}

var errTable = errors.New("damaged rows file")

func parseTable(b []byte) (*table, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("%w: it has %d bytes", errTable, len(b))
	}
	body := b[:len(b)-8]
	if xxhash.Sum64(body) != binary.BigEndian.Uint64(b[len(body):]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", errTable)
	}
	t := new(table)
	for at := 0; at < len(body); {
		mid, ok1 := skipText(body, at)
		if !ok1 {
			return nil, fmt.Errorf("%w: at byte %d", errTable, at)
		}
		end, ok2 := skipText(body, mid)
		if !ok2 {
			return nil, fmt.Errorf("%w: at byte %d", errTable, mid)
		}
		key := string(textAt(body, at))
		if n := len(t.keys); n > 0 && t.keys[n-1] >= key {
			return nil, fmt.Errorf("%w: keys out of order at byte %d", errTable, at)
		}
		t.put(key, append([]byte{}, textAt(body, mid)...))
		at = end
	}
	return t, nil
}

// memoryEngine is a shard in a Memory.
type memoryEngine struct {
	disk  *memoryDisk
	id    core.ShardID
	watch *watch
	rows  atomic.Pointer[table]
}

func (e *memoryEngine) cursor() (cursor, error) { return &tableCursor{t: e.rows.Load()}, nil }

func (e *memoryEngine) release(cursor) {}

func (e *memoryEngine) batch() batch {
	return &tableBatch{engine: e, changes: make(map[string][]byte)}
}

func (e *memoryEngine) flush() error { return e.disk.wrote(e.id, e.rows.Load(), true) }

func (e *memoryEngine) export() (*Base, error) {
	if err := e.flush(); err != nil {
		return nil, err
	}
	content := appendTable(nil, e.rows.Load())
	return &Base{
		Files: []BaseFile{{Name: tableFile, Size: int64(len(content)), Hash: xxhash.Sum64(content)}},
		open:  func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}, nil
}

func (e *memoryEngine) metrics() Metrics {
	return Metrics{Shards: 1, MemTableBytes: e.rows.Load().size()}
}

func (e *memoryEngine) close() error { return nil }

type tableBatch struct {
	engine  *memoryEngine
	changes map[string][]byte
}

func (b *tableBatch) set(key, value []byte) error {
	b.changes[string(key)] = append([]byte{}, value...)
	return nil
}

func (b *tableBatch) remove(key []byte) error {
	b.changes[string(key)] = nil
	return nil
}

func (b *tableBatch) commit() error {
	t := b.engine.rows.Load().with(b.changes)
	if err := b.engine.disk.wrote(b.engine.id, t, false); err != nil {
		return err
	}
	b.engine.rows.Store(t)
	return nil
}

func (b *tableBatch) discard() {}

// tableCursor walks a table.
type tableCursor struct {
	t      *table
	at     int
	prefix string // empty: no bound
}

func (c *tableCursor) SeekPrefix(key []byte) bool {
	c.prefix = string(key[:prefixLen(key)])
	c.at = c.t.find(key)
	return c.valid()
}

func (c *tableCursor) SeekGE(key []byte) bool {
	c.prefix = ""
	c.at = c.t.find(key)
	return c.valid()
}

func (c *tableCursor) SeekLT(key []byte) bool {
	c.prefix = ""
	c.at = c.t.find(key) - 1
	return c.valid()
}

func (c *tableCursor) Next() bool {
	c.at++
	return c.valid()
}

// valid keeps to keys with the prefix, not only to those that begin with it.
func (c *tableCursor) valid() bool {
	if c.at < 0 || c.at >= len(c.t.keys) {
		return false
	}
	key := c.t.keys[c.at]
	return c.prefix == "" || strings.HasPrefix(key, c.prefix) && prefixLen([]byte(key)) == len(c.prefix)
}

func (c *tableCursor) Key() []byte { return []byte(c.t.keys[c.at]) }

func (c *tableCursor) Value() ([]byte, error) { return c.t.values[c.at], nil }

func (c *tableCursor) Err() error { return nil }
