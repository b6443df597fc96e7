package core

// index finds a shard's instances by the hashes of their Addresses: open addressing with linear probing, which costs one read from memory
// where the runtime's map takes three that wait for one another. The hashes are good ones; of a shard's, the low bits differ.
// The zero index is empty.
type index struct {
	slots []indexSlot // a power of two; at most three quarters are in use
	n     int
}

type indexSlot struct {
	hash uint64
	in   *instance // nil if the slot is free
}

const leastIndex = 8 // slots

// at is the place of a hash, or of the free slot where it belongs. There must be slots.
func (x *index) at(hash uint64) int {
	mask := uint64(len(x.slots) - 1) //nolint:gosec // not negative
	i := hash & mask
	for x.slots[i].in != nil && x.slots[i].hash != hash {
		i = (i + 1) & mask
	}
	return int(i) //nolint:gosec // below the number of slots
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
		wanted := int(x.slots[i].hash) & mask //nolint:gosec // any bits will do
		if (i-wanted)&mask >= (i-free)&mask {
			x.slots[free] = x.slots[i]
			free = i
		}
	}
	x.slots[free] = indexSlot{}
}
