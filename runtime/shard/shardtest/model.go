package shardtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// Model is the rows of a shard as a plain map.
type Model map[string][]byte

// Apply makes the changes of rows.
func (m Model) Apply(rows []core.Row) {
	for _, r := range rows {
		if r.Delete {
			delete(m, string(r.Key))
			continue
		}
		m[string(r.Key)] = bytes.Clone(r.Value)
	}
}

// under are the model's rows below a prefix, sorted.
func (m Model) under(prefix []byte) []core.Row {
	var rows []core.Row
	for k, v := range m {
		if strings.HasPrefix(k, string(prefix)) {
			rows = append(rows, core.Row{Key: []byte(k), Value: v})
		}
	}
	slices.SortFunc(rows, func(a, b core.Row) int { return bytes.Compare(a.Key, b.Key) })
	return rows
}

// Dump reads all rows of a store.
func Dump(t testing.TB, s *shard.Store) Model {
	t.Helper()
	m := make(Model)
	var next []byte
	for {
		rows, more, err := s.Rows(next, 100, 1<<20)
		if err != nil {
			t.Fatalf("rows: %v", err)
		}
		m.Apply(rows)
		if next = more; next == nil {
			return m
		}
	}
}

// Same fails the test if the store's rows are not those of the model.
func Same(t testing.TB, s *shard.Store, want Model) {
	t.Helper()
	got := Dump(t, s)
	if maps.EqualFunc(got, want, bytes.Equal) {
		return
	}
	for k := range want {
		if !bytes.Equal(got[k], want[k]) {
			t.Errorf("row %q: got %d bytes, want %d", k, len(got[k]), len(want[k]))
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("row %q should not be there", k)
		}
	}
	t.Fatalf("the store at checkpoint %d is not what was committed", s.Meta().Checkpoint)
}

// Overlay is rows as Commit takes them. It reuses one buffer, as overlays may.
func Overlay(rows []core.Row) iter.Seq[core.Row] {
	return func(yield func(core.Row) bool) {
		var key, value []byte
		for _, r := range rows {
			key, value = append(key[:0], r.Key...), append(value[:0], r.Value...)
			if !yield(core.Row{Key: key, Value: value, Delete: r.Delete}) {
				return
			}
			clear(key)
			clear(value)
		}
	}
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func messageValue(caller core.Address, tr *trace.Context, arg string) []byte {
	return append(tr.AppendPacked(appendText(appendText(nil, string(caller.Type)), caller.ID)), arg...)
}

func timerValue(sender, target core.Address, token string, tr *trace.Context, arg string) []byte {
	b := appendText(appendText(nil, string(sender.Type)), sender.ID)
	b = appendText(appendText(b, string(target.Type)), target.ID)
	return append(tr.AppendPacked(appendText(b, token)), arg...)
}

func heldKey(a core.Address) []byte {
	return append(core.AddressPrefix(core.TableAddress, a), core.SubHeld)
}

func accessKey(a core.Address, name string) []byte {
	return append(append(core.AddressPrefix(core.TableAddress, a), core.SubAccess), name...)
}

// Random draws rows of every table, over few enough keys that they meet.
type Random struct {
	*rand.Rand
	Addresses []core.Address
}

// NewRandom begins with a seed.
func NewRandom(seed uint64) *Random {
	r := &Random{Rand: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // a test
	for _, typ := range []core.FunctionType{"shop/cart", "shop/stock", "a/b", ""} {
		for _, id := range []string{"", "Kim", "Lee", "\xff\xff", "\x00", strings.Repeat("long", 80)} {
			r.Addresses = append(r.Addresses, core.Address{Type: typ, ID: id})
		}
	}
	return r
}

func (r *Random) address() core.Address { return r.Addresses[r.IntN(len(r.Addresses))] }

func (r *Random) name() string { return []string{"", "a", "b", "seen", "\xff"}[r.IntN(5)] }

func (r *Random) text() string {
	n := r.IntN(40)
	if r.IntN(40) == 0 {
		n = r.IntN(40_000)
	}
	return strings.Repeat(string(rune('a'+r.IntN(26))), n)
}

var egresses = []string{"shop/receipts", "shop/log", "x/y"}

// Rows draws the rows of an overlay: at most one for each key.
func (r *Random) Rows(n int) []core.Row {
	rows := make(map[string]core.Row)
	for range n {
		row := r.row()
		row.Delete = r.IntN(3) == 0
		rows[string(row.Key)] = row
	}
	keys := slices.Sorted(maps.Keys(rows))
	out := make([]core.Row, len(keys))
	for i, k := range keys {
		out[i] = rows[k]
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func (r *Random) row() core.Row {
	a, seq := r.address(), core.Seq(r.IntN(12))
	switch r.IntN(10) {
	case 0:
		return core.Row{Key: heldKey(a), Value: core.AppendFailure(nil, &core.Failure{First: 1, Last: core.Millis(r.IntN(9))})}
	case 1:
		return core.Row{Key: core.StateKey(a, r.name()), Value: []byte(r.text())}
	case 2:
		return core.Row{Key: accessKey(a, r.name()), Value: core.AppendMillis(nil, core.Millis(r.IntN(1000)))}
	case 3:
		k := core.TimerKey{Due: core.Millis(r.IntN(9)), Seq: seq}
		return core.Row{Key: core.TokenKey(a, r.name()), Value: k.AppendValue(nil)}
	case 4:
		return core.Row{Key: core.DedupeKey(a, r.name()), Value: core.AppendMillis(nil, core.Millis(r.IntN(1000)))}
	case 5:
		k := shard.FailureKey{Time: core.Millis(r.IntN(5)), Seq: seq}
		return core.Row{Key: k.Append(nil), Value: []byte(r.text())}
	case 6:
		k := core.OutboxKey{Epoch: core.Epoch(r.IntN(4)), Seq: seq}
		return core.Row{Key: k.Append(nil, egresses[r.IntN(len(egresses))]), Value: append(r.trace().AppendPacked(nil), r.text()...)}
	case 7:
		return core.Row{Key: core.SpecsKey(a.Type), Value: core.AppendSpecs(nil, core.Specs{Learned: core.Millis(r.IntN(9))})}
	case 8:
		k := core.TimerKey{Due: core.Millis(r.IntN(9)), Seq: seq}
		return core.Row{Key: k.Append(nil), Value: timerValue(a, r.address(), r.name(), r.trace(), r.text())}
	}
	return core.Row{Key: core.MailboxKey(a, seq), Value: messageValue(r.address(), r.trace(), r.text())}
}

// trace is a trace context, or mostly none.
func (r *Random) trace() *trace.Context {
	if r.IntN(3) > 0 {
		return nil
	}
	return trace.Parse(fmt.Sprintf("00-%032x-%016x-0%d", 1+r.IntN(9), 1+r.IntN(9), r.IntN(2)))
}

// index of the first row behind key.
func behind(rows []core.Row, key []byte) int {
	return sort.Search(len(rows), func(i int) bool { return bytes.Compare(rows[i].Key, key) > 0 })
}
