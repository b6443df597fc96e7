package lineage

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const realSequence = "49590338271490256608559692538361571095921575989136588898"

func TestPositionsAreTheirBytes(t *testing.T) {
	tests := []struct {
		name string
		p    Position
		size int
	}{
		{"the oldest record", Position{Kind: Horizon}, 4},
		{"a time", Position{Kind: AtTime, Time: 1_800_000_000_000, Seen: 1_800_000_000_000, Origin: 1_800_000_000_000}, 20},
		{"after a record", Position{Kind: After, Sequence: realSequence, Seen: 1_800_000_000_000}, 34},
		{"within an aggregate", Position{Kind: Within, Sequence: realSequence, Sub: 300, Seen: 1, Origin: 2}, 31},
		{"sequence number zero", Position{Kind: After, Sequence: "0"}, 5},
		{"the longest sequence number", Position{Kind: After, Sequence: strings.Repeat("9", 129)}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.p.Encode(nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParsePosition(b)
			if err != nil || got != tt.p {
				t.Errorf("%x is %+v, %v; want %+v", b, got, err, tt.p)
			}
			if tt.size > 0 && len(b) != tt.size {
				t.Errorf("%d bytes, want %d: %x", len(b), tt.size, b)
			}
		})
	}
}

func TestPositionsThatAreNone(t *testing.T) {
	for _, p := range []Position{
		{Kind: 9},
		{Kind: After},
		{Kind: After, Sequence: "x"},
		{Kind: After, Sequence: "-1"},
		{Kind: After, Sequence: strings.Repeat("9", 200)},
		{Kind: Within, Sequence: "1"},
		{Kind: Within, Sequence: "1", Sub: maxSub + 1},
		{Seen: -1},
		{Origin: -1},
		{Kind: AtTime, Time: -1},
	} {
		if b, err := p.Encode(nil); err == nil {
			t.Errorf("%+v encodes to %x", p, b)
		}
	}
	for _, b := range []string{
		"", "\x01", "\x01\x00", "\x01\x00\x00", "\x02\x00\x00\x00", "\x01\x09\x00\x00", "\x01\x00\x00\x00\x00",
		"\x01\x00\x80\x00\x00",                                 // a long form of zero
		"\x01\x02\x00\x00\x01\x00",                             // a leading zero
		"\x01\x02\x00\x00\x02\x01",                             // cut short
		"\x01\x02\x00\x00\xff\x01",                             // longer than any sequence number
		"\x01\x03\x00\x00\x01\x01\x00",                         // within, but nothing done
		"\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", // beyond 63 bits
	} {
		if p, err := ParsePosition([]byte(b)); err == nil {
			t.Errorf("%x is %+v", b, p)
		}
	}
}

func TestSequencesCompareAsNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint64Range(0, 300).Draw(t, "a"), rapid.Uint64Range(0, 300).Draw(t, "b")
		want := 0
		if a < b {
			want = -1
		} else if a > b {
			want = 1
		}
		text := func(n uint64) string {
			return strings.TrimLeft(string(rune('0'+n/100))+string(rune('0'+n/10%10))+string(rune('0'+n%10)), "0")
		}
		if got := CompareSequence(text(a), text(b)); got != want {
			t.Fatalf("%d against %d: %d", a, b, got)
		}
	})
}

func FuzzParsePosition(f *testing.F) {
	for _, p := range []Position{
		{},
		{Kind: AtTime, Time: 5, Seen: 1 << 40},
		{Kind: After, Sequence: realSequence, Origin: 7},
		{Kind: Within, Sequence: "0", Sub: 129},
	} {
		b, err := p.Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePosition(b)
		if err != nil {
			return
		}
		if again, err := p.Encode(nil); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x is %+v, which is %x, %v", b, p, again, err)
		}
	})
}
