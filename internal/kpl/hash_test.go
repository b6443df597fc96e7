package kpl_test

import (
	"crypto/md5" //nolint:gosec // Kinesis places records by it
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/stateway/stateway/internal/kpl"
)

func bigOf(h kpl.Hash) *big.Int {
	v := new(big.Int).SetUint64(h.Hi)
	return v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(h.Lo))
}

func TestHashTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := kpl.Hash{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
		if got, want := h.String(), bigOf(h).String(); got != want {
			t.Fatalf("text %s, want %s", got, want)
		}
		if got, err := kpl.ParseHash(h.String()); err != nil || got != h {
			t.Fatalf("%s reads as %v, %v", h, got, err)
		}
		o := kpl.Hash{Hi: rapid.SampledFrom([]uint64{h.Hi, 0, 1 << 63}).Draw(t, "other hi"), Lo: rapid.Uint64().Draw(t, "other lo")}
		if got, want := h.Compare(o), bigOf(h).Cmp(bigOf(o)); got != want {
			t.Fatalf("%s compared with %s: %d, want %d", h, o, got, want)
		}
		if got, want := h.Within(o, kpl.MaxHash), bigOf(h).Cmp(bigOf(o)) >= 0; got != want {
			t.Fatalf("%s within %s and the end: %v", h, o, got)
		}
	})
}

func TestParseHashRefuses(t *testing.T) {
	for _, text := range []string{
		"", "-1", "+1", " 1", "01", "00", "1x", "0x1", "1.0", "340282366920938463463374607431768211456",
		"999999999999999999999999999999999999999", "1111111111111111111111111111111111111111",
	} {
		if h, err := kpl.ParseHash(text); err == nil {
			t.Errorf("%q reads as %s", text, h)
		}
	}
	if h, err := kpl.ParseHash("340282366920938463463374607431768211455"); err != nil || h != kpl.MaxHash {
		t.Errorf("the largest reads as %s, %v", h, err)
	}
}

func TestHashOf(t *testing.T) {
	for _, key := range []string{"", "Ann", "Żółw"} {
		sum := md5.Sum([]byte(key)) //nolint:gosec // see above
		if got, want := bigOf(kpl.HashOf(key)), new(big.Int).SetBytes(sum[:]); got.Cmp(want) != 0 {
			t.Errorf("hash of %q: %v, want %v", key, got, want)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("0")
	f.Add("340282366920938463463374607431768211456")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := kpl.ParseHash(text)
		if err == nil && h.String() != text {
			t.Fatalf("%q reads as %s", text, h)
		}
	})
}
