package core

// instance is what a worker holds in memory of one Address: its state (clean values are a cache),
// the messages that wait, and the try in flight.
//
// The fields are in the order in which the way of a message touches them, 64 bytes of each stretch: most Addresses are not in the processor's
// cache when their message comes, and every other line costs as much as all the work on it. Six lines are also a size that the allocator has, so
// that each instance begins with a line.
type instance struct {
	// Set by the shard's instance method, then constant but for same: overlays' readers use them.
	hash  uint64
	same  *instance // next with the same hash
	addr  Address
	shard *shard
	typ   *funcType

	load     loadState
	ready    bool   // in its type's queue of ready ones
	fetching bool   // LoadMailbox is under way
	used     bool   // since the eviction hand passed
	dropping bool   // drops is not empty
	asks     uint8  // incomplete answers in a row
	limit    uint16 // cap of the next batch while a failing one is split; zero if none
	inflight *Invocation
	parked   *parked
	held     *heldRow
	retryAt  Millis     // when a failed invocation may be tried again
	mail     []*Message // the head of the mailbox

	taken     int32    // of mail, by the try in flight
	suspects  int32    // of mail, those that were in a try without an answer of its own, and have not gone through since
	disk      diskTail // what follows mail in the store only
	waiting   waitLink // its place in the worker's list of instances with messages in memory
	lastEpoch Epoch    // the last in which it wrote a row

	place  uint64 // in its type's queue of ready ones, counted since the beginning
	slots  []slot
	late   Epoch // the last that deletes a repeat's row from between the waiting ones; see keepLate
	bytes  int64
	fail   *failing
	tokens map[string]TimerKey // cancellation tokens known to be set

	first [1]slot // the memory of slots while there is one

	// Here ends what every message touches.

	behind []*Message // what follows disk, in memory; empty unless disk holds messages
	drops  []uint64   // operator requests to drop the head message
	older  *instance
	newer  *instance
}

type loadState uint8

const (
	unloaded loadState = iota
	loading
	loaded
)

// diskTail is the range of waiting messages that are in the store and not in memory.
type diskTail struct {
	from    Seq // zero means there is none
	through Seq
	bytes   int64 // of those that were in memory before; of others it is not known
	count   int   // of messages; -1 if it is not known
}

// slot is one state of an instance.
type slot struct {
	name   string
	val    Value     // nil if there is none
	row    *stateRow // last written in this process, nil if never
	access Millis    // last write or access, zero if not kept
	accRow *accessRow
}

const (
	instanceOverhead = 480 // bytes of an instance without texts and values, for budgets
	slotOverhead     = 72
)

// slotAt is the slot of a state, made if the instance has none.
func (in *instance) slotAt(name string) *slot {
	if s := in.slot(name); s != nil {
		return s
	}
	if in.slots == nil {
		in.slots = in.first[:0]
	}
	in.slots = append(in.slots, slot{name: name})
	in.addBytes(slotOverhead)
	return &in.slots[len(in.slots)-1]
}

// slot is the slot of a state, nil if the instance has none.
func (in *instance) slot(name string) *slot {
	for i := range in.slots {
		if in.slots[i].name == name {
			return &in.slots[i]
		}
	}
	return nil
}

func (in *instance) addBytes(n int64) {
	in.bytes += n
	in.shard.w.cacheBytes += n
}

// setState changes a state's value; nil deletes it.
func (in *instance) setState(s *slot, val Value) {
	o := in.shard.overlay()
	in.addBytes(int64(len(val) - len(s.val)))
	s.val = val
	size := int64(len(val) + len(s.name) + len(in.addr.ID))
	if s.row != nil && s.row.row.epoch == o.Epoch {
		s.row.val = val
		o.resize(&s.row.row, size)
		return
	}
	s.row = &stateRow{inst: in, name: s.name, val: val}
	o.put(&s.row.row, s.row, size)
	in.lastEpoch = o.Epoch
}

// setAccess notes a state's last write or access; zero forgets it.
func (in *instance) setAccess(s *slot, at Millis) {
	if s.access == at {
		return
	}
	s.access = at
	o := in.shard.overlay()
	o.expires = true
	if s.accRow != nil && s.accRow.row.epoch == o.Epoch {
		s.accRow.at = at
		return
	}
	s.accRow = &accessRow{inst: in, name: s.name, at: at}
	o.put(&s.accRow.row, s.accRow, int64(len(in.addr.ID)+len(s.name)+8))
	in.lastEpoch = o.Epoch
}

// expire deletes a state whose time to live is over.
func (in *instance) expire(s *slot) {
	in.setState(s, nil)
	in.setAccess(s, 0)
}

// idle reports whether nothing keeps the instance in memory but its values.
func (in *instance) idle() bool {
	return in.load != loading && in.inflight == nil && len(in.mail) == 0 && in.disk.from == 0 &&
		!in.fetching && !in.dropping && in.fail == nil && in.held == nil && in.parked == nil
}

// waitLink is an instance's place in the list of instances that have messages in memory.
type waitLink struct{ prev, next *instance }

// waitList lists instances, those whose messages came first at the front.
type waitList struct{ first, last *instance }

func (l *waitList) contains(in *instance) bool { return in.waiting.prev != nil || l.first == in }

func (l *waitList) push(in *instance) {
	in.waiting.prev = l.last
	if l.last == nil {
		l.first = in
	} else {
		l.last.waiting.next = in
	}
	l.last = in
}

func (l *waitList) remove(in *instance) {
	if in.waiting.prev == nil {
		l.first = in.waiting.next
	} else {
		in.waiting.prev.waiting.next = in.waiting.next
	}
	if in.waiting.next == nil {
		l.last = in.waiting.prev
	} else {
		in.waiting.next.waiting.prev = in.waiting.prev
	}
	in.waiting = waitLink{}
}
