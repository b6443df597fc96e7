package file

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/stateway/stateway/runtime/core"
)

func encodeSidecar(s *sidecar) []byte {
	header := appendHeader(nil, s.app)
	b := header[:headerSize:headerSize]
	for _, e := range s.entries {
		b = appendEntry(b, header, e)
	}
	return b
}

func TestSidecarBytes(t *testing.T) {
	s := &sidecar{app: core.ApplicationID{1, 2, 3}, entries: []entry{{7, 100, 3}, {9, 250, 1}}}
	b := encodeSidecar(s)
	const want = "7374772d6f666601" + "01020300000000000000000000000000" + "00000000" + "487298ce" +
		"0000000000000007" + "0000000000000064" + "00000003" + "bc935eeb" +
		"0000000000000009" + "00000000000000fa" + "00000001" + "c8b9d46d"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("bytes\n%s, want\n%s", got, want)
	}
	for cut := headerSize; cut <= len(b); cut++ {
		got, err := decodeSidecar(b[:cut])
		if err != nil || len(got.entries) != (cut-headerSize)/entrySize {
			t.Fatalf("cut at %d: %v, %v", cut, got, err)
		}
	}
	for cut := range headerSize {
		if _, err := decodeSidecar(b[:cut]); !errors.Is(err, errDamaged) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func TestSidecarDamage(t *testing.T) {
	s := &sidecar{app: core.ApplicationID{1}, entries: []entry{{7, 100, 3}, {9, 250, 1}}}
	b := encodeSidecar(s)
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			got, err := decodeSidecar(b)
			if torn := i >= headerSize+entrySize; torn && (err != nil || got.last() != s.entries[0]) {
				t.Fatalf("byte %d of the last entry: %v, %v", i, got, err)
			} else if !torn && !errors.Is(err, errDamaged) {
				t.Fatalf("byte %d: %v, %v", i, got, err)
			}
			b[i] ^= 1 << bit
		}
	}
	for _, entries := range [][]entry{{{7, 100, 1}, {7, 200, 1}}, {{7, 100, 1}, {6, 200, 1}}, {{7, 100, 1}, {8, 99, 1}}, {{0, 1, 1}}} {
		if _, err := decodeSidecar(encodeSidecar(&sidecar{entries: entries})); !errors.Is(err, errDamaged) {
			t.Errorf("entries %v: %v", entries, err)
		}
	}
}

func FuzzSidecar(f *testing.F) {
	f.Add(encodeSidecar(&sidecar{app: core.ApplicationID{1}, entries: []entry{{7, 100, 3}, {9, 250, 1}}}))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSidecar(b)
		if err != nil {
			return
		}
		again := encodeSidecar(s)
		if len(again) > len(b) || string(again) != string(b[:len(again)]) || len(b)-len(again) > entrySize {
			t.Fatalf("%x decodes to %v, which encodes to %x", b, s, again)
		}
	})
}
