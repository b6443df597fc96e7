package core

// Most Addresses are not in the processor's cache when an event names them, and reading what they have, one part after the other, takes
// longer than all the work on them. The functions of this file read what a batch will need before it is needed, in loops so short that the
// processor has many of these reads under way at once. Nothing depends on what they find.

const (
	readAhead     = 32 // events: few enough that what the first need is still in the innermost caches when the last are read for
	aheadMessages = 4  // of an invocation; the processor itself sees what comes after some of many
)

// Warmth sums up what was read ahead, so that the reads are not left out as useless. The zero value is ready to use, by one goroutine at a time.
type Warmth struct{ sum uint64 }

// Invocations reads the values of some invocations, 64 at most, for who is about to look at all of them one after the other.
func (w *Warmth) Invocations(invs []*Invocation) {
	sum := 0
	for _, inv := range invs {
		sum += len(inv.States) + len(inv.Messages)
	}
	for _, inv := range invs {
		for i := range inv.States {
			sum += firstByte(inv.States[i].Value)
		}
		for _, m := range inv.Messages[:min(aheadMessages, len(inv.Messages))] {
			sum += len(m.Arg)
		}
	}
	for _, inv := range invs {
		for _, m := range inv.Messages[:min(aheadMessages, len(inv.Messages))] {
			sum += firstByte(m.Arg)
		}
	}
	w.sum += uint64(sum) //nolint:gosec // any bits will do
}

func firstByte(v Value) int {
	if len(v) == 0 {
		return 0
	}
	return int(v[0])
}

// instances reads instances and their first waiting messages; some may be nil. One alone is not worth it.
func (w *Warmth) instances(ins []*instance) {
	if len(ins) < 2 {
		return
	}
	sum := 0
	for _, in := range ins {
		if in != nil {
			sum += in.warm()
		}
	}
	for _, in := range ins {
		if in == nil {
			continue
		}
		sum += in.warmHead()
		if len(in.addr.ID) > 0 {
			sum += int(in.addr.ID[0])
		}
	}
	w.sum += uint64(sum) //nolint:gosec // any bits will do
}

// warmMessages sets the hashes of messages, readAhead of them at most, and reads what arrive needs.
func (w *Worker) warmMessages(messages []*Message) {
	for _, m := range messages {
		m.hash = m.Target.Hash()
	}
	if len(messages) < 2 {
		return
	}
	var room [readAhead]*instance
	found := room[:0]
	for _, m := range messages {
		if sh := w.shards[w.cfg.Sharding.Of(m.hash)]; sh != nil {
			if in := sh.instances.get(m.hash); in != nil {
				found = append(found, in)
			}
		}
	}
	w.warmth.instances(found)
}

// warmResults reads what onResult needs, of readAhead results at most.
func (w *Worker) warmResults(results []Result) {
	if len(results) < 2 {
		return
	}
	var room [readAhead]*instance
	found := room[:0]
	for i := range results {
		if in := results[i].Invocation.inst; in != nil {
			found = append(found, in)
		}
	}
	n, sum := 0, 0
	for _, in := range found {
		if in.shard.w == w { // it is no other worker's, nor of a generation that was given up
			found[n] = in
			n++
			sum += in.warm()
		}
	}
	for _, in := range found[:n] {
		sum += in.warmRow() + in.warmHead()
		if p := in.waiting.prev; p != nil {
			sum += int(p.taken)
		}
	}
	for _, in := range found[:n] {
		sum += in.warmHeadRow()
	}
	w.warmth.sum += uint64(sum) //nolint:gosec // any bits will do
}

// warm reads each part of the instance itself.
func (in *instance) warm() int {
	return int(in.hash) + int(in.load) + int(in.taken) + len(in.slots) + len(in.first[0].name) //nolint:gosec // any bits will do
}

// warmHead reads the first waiting message, or where it will be noted.
func (in *instance) warmHead() int {
	if cap(in.mail) == 0 {
		return 0
	}
	m := in.mail[:1][0]
	if m == nil {
		return 0
	}
	return len(m.Target.ID) + len(m.Arg) + int(m.row.epoch) + int(m.seq) //nolint:gosec // any bits will do
}

// warmHeadRow reads the neighbours of the first waiting message's row, if that is in the open overlay: nobody else changes these.
func (in *instance) warmHeadRow() int {
	if len(in.mail) == 0 {
		return 0
	}
	if l := &in.mail[0].row; l.epoch == in.shard.w.epoch && l.prev != nil {
		return int(l.prev.epoch + l.next.epoch) //nolint:gosec // any bits will do
	}
	return 0
}

// warmRow reads the row of the first state.
func (in *instance) warmRow() int {
	if len(in.slots) == 0 || in.slots[0].row == nil {
		return 0
	}
	return int(in.slots[0].row.row.epoch) //nolint:gosec // any bits will do
}
