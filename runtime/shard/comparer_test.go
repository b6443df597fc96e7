package shard

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/stateway/stateway/runtime/core"
)

func FuzzComparer(f *testing.F) {
	a, b := core.Address{Type: "shop/cart", ID: "Kim"}, core.Address{Type: "shop/cart", ID: "\xff\xff"}
	f.Add(core.StateKey(a, "x"), core.StateKey(b, ""))
	f.Add(core.MailboxKey(a, 1), core.AddressPrefix(core.TableMailbox, a))
	f.Add(core.DedupeKey(b, "id"), []byte("D1234567"))
	f.Add([]byte{}, []byte{0, 'm'})
	f.Add([]byte("A\xff\xff\xff\xff\xff\xff\xff\xff\x80"), []byte("A12345678\x01a"))
	f.Add(core.SpecsKey("a/b"), core.OutboxPrefix("x/y"))
	c := newComparer()
	f.Fuzz(func(t *testing.T, x, y []byte) {
		px, py := x[:c.Split(x)], y[:c.Split(y)]
		if c.Split(px) != len(px) {
			t.Fatalf("the prefix of %q is not its own prefix", x)
		}
		if len(px) < len(x) && c.Compare(px, x) >= 0 {
			t.Fatalf("%q sorts before its prefix", x)
		}
		if c.Compare(x, y) <= 0 && c.Compare(px, py) > 0 {
			t.Fatalf("prefixes of %q and %q are not in order", x, y)
		}
		if c.Compare(px, py) < 0 && c.Compare(x, y) >= 0 {
			t.Fatalf("%q and %q are not in the order of their prefixes", x, y)
		}
		if !bytes.Equal(px, py) && bytes.HasPrefix(py, px) && len(px) < len(x) {
			t.Fatalf("prefix of %q begins that of %q", x, y)
		}
		if c.Compare(x, y) < 0 && len(x) > 0 && c.AbbreviatedKey(x) > c.AbbreviatedKey(y) {
			t.Fatalf("abbreviations of %q and %q are not in order", x, y)
		}
		checkSuccessor(t, px, py)
	})
}

// checkSuccessor checks that nothing lies between a prefix, with its keys, and what comes after it.
func checkSuccessor(t *testing.T, px, py []byte) {
	c := newComparer()
	next := c.ImmediateSuccessor(nil, px)
	if c.Compare(px, next) >= 0 || c.Split(next) != len(next) {
		t.Fatalf("%q does not come after prefix %q", next, px)
	}
	if c.Compare(px, py) < 0 && c.Compare(py, next) < 0 {
		t.Fatalf("prefix %q lies between %q and %q", py, px, next)
	}
}

func TestPrefixEndsBehindTheAddress(t *testing.T) {
	a := core.Address{Type: "shop/cart", ID: "Kim"}
	for name, key := range map[string][]byte{
		"state": core.StateKey(a, "x"), "token": core.TokenKey(a, "t"), "dedupe id": core.DedupeKey(a, "d"), "message": core.MailboxKey(a, 7),
	} {
		if want := core.AddressPrefix(key[0], a); prefixLen(key) != len(want) || !bytes.HasPrefix(key, want) {
			t.Errorf("%s: prefix of %d bytes, want %d", name, prefixLen(key), len(want))
		}
	}
	for _, key := range [][]byte{core.SpecsKey("shop/cart"), core.TimerKey{Due: 5}.Append(nil), metaKey, {}} {
		if prefixLen(key) != len(key) {
			t.Errorf("key %q was split", key)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add(appendMeta(nil, Meta{Application: core.ApplicationID{1}, Shard: 2, Checkpoint: 3, NextSeq: 4, Lineage: "five"}))
	f.Add([]byte{Format})
	f.Add([]byte{9, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMeta(b)
		if err == nil && !bytes.Equal(appendMeta(nil, m), b) {
			t.Fatalf("%q came back as %q", b, appendMeta(nil, m))
		}
	})
}

func FuzzTable(f *testing.F) {
	one := new(table).with(map[string][]byte{"a": {}, "b": []byte("xyz")})
	f.Add(appendTable(nil, one)[:8], true)
	f.Add(appendTable(nil, one), false)
	f.Add([]byte("\x01b\x00\x01a\x00"), true)
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = sealed(b)
		}
		rows, err := parseTable(b)
		if err != nil {
			return
		}
		again, err := parseTable(appendTable(nil, rows))
		if err != nil || len(again.keys) != len(rows.keys) {
			t.Fatalf("%q does not come back: %v", b, err)
		}
	})
}

func sealed(b []byte) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(b), xxhash.Sum64(b))
}

func FuzzTypeOf(f *testing.F) {
	a := core.Address{Type: "shop/cart", ID: "Kim"}
	f.Add(core.StateKey(a, "x"), []byte{})
	f.Add(core.TimerKey{Due: 1}.Append(nil), []byte("\x01a\x01b\x01c\x01d\x00"))
	f.Add([]byte("T"), []byte("\xff\xff"))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(key) == 0 {
			return
		}
		got := string(typeOf(key, value))
		if addr, _, err := core.CutAddressKey(key); err == nil && carriesAddress(key[0]) && got != string(addr.Type) {
			t.Fatalf("type of %q: got %q", key, got)
		}
		if row, err := core.ParseTimerRow(key, value); err == nil && got != string(row.Target.Type) {
			t.Fatalf("type of timer %q: got %q", value, got)
		}
	})
}
