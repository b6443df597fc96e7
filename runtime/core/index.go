package core

import "math/bits"

// index finds a shard's instances by the hashes of their Addresses: open addressing with linear probing, which costs one read from memory
// where the runtime's map takes three that wait for one another. Whoever chooses ids cannot choose where they come: that depends on the seed too.
type index struct {
	slots []indexSlot // a power of two; at most three quarters are in use
	shift int         // of a hash times the seed, to a number of slots
	seed  uint64      // odd
	n     int
}

type indexSlot struct {
	hash uint64
	in   *instance // nil if the slot is free
}

const leastIndex = 8 // slots

// newIndex makes an empty index. The seed may be any.
func newIndex(seed uint64) index {
	return index{seed: (seed*0x9e3779b97f4a7c15)<<1 | 1}
}

// home is where a hash comes if nothing is there.
func (x *index) home(hash uint64) int {
	return int(hash * x.seed >> x.shift) //nolint:gosec // below the number of slots
}

// at is the place of a hash, or of the free slot where it belongs. There must be slots.
func (x *index) at(hash uint64) int {
	i := x.home(hash)
	for x.slots[i].in != nil && x.slots[i].hash != hash {
		i = (i + 1) & (len(x.slots) - 1)
	}
	return i
}

// get is what set gave for the hash, nil if nothing.
func (x *index) get(hash uint64) *instance {
	if x.n == 0 {
		return nil
	}
	return x.slots[x.at(hash)].in
}

// set puts an instance, which is not nil, in the place of what the hash had.
func (x *index) set(hash uint64, in *instance) {
	if 4*(x.n+1) > 3*len(x.slots) {
		x.grow()
	}
	s := &x.slots[x.at(hash)]
	if s.in == nil {
		x.n++
	}
	*s = indexSlot{hash, in}
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]indexSlot, max(2*len(old), leastIndex))
	x.shift = 64 - bits.Len(uint(len(x.slots)-1)) //nolint:gosec // positive
	for i := range old {
		if old[i].in != nil {
			x.slots[x.at(old[i].hash)] = old[i]
		}
	}
}

// remove forgets a hash. What follows it moves up, where it may: between its place and the first that its hash asks for, no slot is free.
func (x *index) remove(hash uint64) {
	if x.get(hash) == nil {
		return
	}
	x.n--
	mask := len(x.slots) - 1
	free := x.at(hash)
	for i := (free + 1) & mask; x.slots[i].in != nil; i = (i + 1) & mask {
		if home := x.home(x.slots[i].hash); (i-home)&mask >= (i-free)&mask {
			x.slots[free] = x.slots[i]
			free = i
		}
	}
	x.slots[free] = indexSlot{}
}
