package core

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// An index and a map agree, whatever comes and goes, and however the hashes collide.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newIndex(rapid.Uint64().Draw(t, "seed"))
		want := map[uint64]*instance{}
		shift := rapid.SampledFrom([]int{0, 2, 61}).Draw(t, "shift") // bits that differ are the lowest, or few
		for range rapid.IntRange(0, 500).Draw(t, "steps") {
			hash := rapid.Uint64Range(0, 99).Draw(t, "hash") << shift
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0, 1:
				in := &instance{hash: hash}
				x.set(hash, in)
				want[hash] = in
			case 2:
				x.remove(hash)
				delete(want, hash)
			}
			if x.n != len(want) {
				t.Fatalf("%d of %d", x.n, len(want))
			}
		}
		for i := range uint64(100) {
			if hash := i << shift; x.get(hash) != want[hash] {
				t.Fatalf("%#x: %p, want %p", hash, x.get(hash), want[hash])
			}
		}
		used := 0
		for _, s := range x.slots {
			if s.in != nil {
				used++
			}
		}
		if used != len(want) || 4*used > 3*len(x.slots) {
			t.Fatalf("%d of %d slots in use, want %d", used, len(x.slots), len(want))
		}
	})
}

func TestIndexOfMany(t *testing.T) {
	x := newIndex(1)
	hash := func(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 } //nolint:gosec // not negative
	const n = 100_000
	ins := make([]instance, n)
	for i := range ins {
		x.set(hash(i), &ins[i])
	}
	for i := 0; i < n; i += 2 {
		x.remove(hash(i))
	}
	for i := range ins {
		want := &ins[i]
		if i%2 == 0 {
			want = nil
		}
		if x.get(hash(i)) != want {
			t.Fatalf("number %d is wrong", i)
		}
	}
	for i := 1; i < n; i += 2 {
		x.remove(hash(i))
	}
	if x.n != 0 || x.get(hash(1)) != nil {
		t.Errorf("%d are left", x.n)
	}
}

// Hashes that ask for the last slots go on at the first, and come back when there is room.
func TestIndexGoesRoundTheEnd(t *testing.T) {
	x := newIndex(7)
	x.grow()
	last := len(x.slots) - 1
	var at [2][]uint64 // hashes whose home is the last slot, and the first
	for hash := uint64(1); len(at[0]) < 3 || len(at[1]) < 2; hash++ {
		switch x.home(hash) {
		case last:
			at[0] = append(at[0], hash)
		case 0:
			at[1] = append(at[1], hash)
		}
	}
	want := map[uint64]*instance{}
	for _, hash := range []uint64{at[0][0], at[1][0], at[0][1], at[0][2], at[1][1]} {
		want[hash] = &instance{hash: hash}
		x.set(hash, want[hash])
	}
	for _, gone := range []uint64{at[0][0], at[1][0], at[0][2], at[0][1], at[1][1]} {
		x.remove(gone)
		delete(want, gone)
		for _, hash := range slices.Concat(at[0][:3], at[1][:2]) {
			if x.get(hash) != want[hash] {
				t.Fatalf("after %d was removed, %d gives %p, want %p", gone, hash, x.get(hash), want[hash])
			}
		}
	}
	if len(x.slots) != last+1 {
		t.Errorf("it has grown to %d slots", len(x.slots))
	}
}
