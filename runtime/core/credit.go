package core

// credits counts what ingress partitions are to get back.
type credits struct {
	owed  []int64 // by PartitionID
	held  []int64 // withheld while too much lies on disk
	dirty []PartitionID
	holds bool
}

func (c *credits) grow(p PartitionID) {
	for int(p) >= len(c.owed) {
		c.owed = append(c.owed, 0)
		c.held = append(c.held, 0)
	}
}

func (c *credits) add(p PartitionID, n int64) {
	c.grow(p)
	if c.owed[p] == 0 {
		c.dirty = append(c.dirty, p)
	}
	c.owed[p] += n
}

// hold keeps credit back until free.
func (c *credits) hold(p PartitionID, n int64) {
	if p == 0 {
		return
	}
	c.grow(p)
	c.held[p] += n
	c.holds = true
}

// free gives back what was held.
func (c *credits) free() {
	for p, n := range c.held {
		if n > 0 {
			c.held[p] = 0
			c.add(PartitionID(p), n) //nolint:gosec // a short list
		}
	}
	c.holds = false
}

// payCredit tells the partitions what they got back.
func (w *Worker) payCredit() {
	c := &w.credits
	if c.holds && w.diskBytes < w.cfg.DiskBacklog*9/10 {
		c.free()
	}
	for _, p := range c.dirty {
		w.emit(Credit{Partition: p, Bytes: c.owed[p]})
		c.owed[p] = 0
	}
	c.dirty = c.dirty[:0]
}

func (w *Worker) mailBudget() int64 { return w.cfg.Memory / 4 }

// overBudget reports whether no timer may fire, and no invocation start except one that mayStart allows.
func (w *Worker) overBudget() bool { return w.overRows() || w.overMail() }

// overRows reports whether rows take too much memory: those that the stores do not hold yet, or records that wait
// for their egress.
func (w *Worker) overRows() bool {
	if w.overlayBytes > w.cfg.Memory/4 {
		w.hurry()
		return true
	}
	return w.outboxBytes > w.outboxBudget()
}

func (w *Worker) outboxBudget() int64 { return w.cfg.Memory / 4 }

// overMail reports whether waiting messages take too much memory and cannot be spilled.
func (w *Worker) overMail() bool {
	w.spill()
	if w.mailBytes <= w.mailBudget() {
		return false
	}
	w.hurry()
	return true
}

// hurry asks for a checkpoint soon if there is something for it to hold: it lets go of memory.
func (w *Worker) hurry() {
	if w.want == WantDirty || (w.want == WantNothing && w.changed()) {
		w.wantCheckpoint(WantSoon)
	}
}

// changed reports whether the open epoch has rows, be they only deletes of published records.
func (w *Worker) changed() bool {
	for _, sh := range w.owned {
		if sh.open != nil && sh.open.count > 0 {
			return true
		}
	}
	return false
}

// mayStart reports whether an invocation may start. Over the budget of waiting messages they start one by one: it shrinks only so
// when they were read back from the store, or when one alone is larger.
func (w *Worker) mayStart() bool {
	if w.overRows() {
		return false
	}
	return !w.overMail() || (w.fetches == 0 && w.parked == 0 && w.inflight() == 0)
}

// leastAnswer is what an answer is taken to be large at least, so that the first of a run of large ones tell before too many are under way.
const leastAnswer = 16 << 10

// firstAnswers are what an endpoint's share of memory is taken to hold before anything is known of their size; one more try is under way then. While
// none answers there are a quarter more each second.
const firstAnswers = 16

// answerShare is the memory for the answers that an endpoint's tries lead to: answers become rows, for which all endpoints together have
// a quarter of the memory.
func (w *Worker) answerShare() int64 { return w.cfg.Memory / 4 / int64(len(w.endpoints)) }

// mayTake reports whether an endpoint may have another try under way.
func (w *Worker) mayTake(ep *endpointState) bool {
	share := w.answerShare()
	answer := max(ep.expectedAnswer, min(leastAnswer, share/64))
	return ep.inflight < ep.limit && (ep.inflight == 0 || int64(ep.inflight)*answer <= share)
}

// noteAnswer takes note of the size of an answer. A large one counts at once, since others that are under way may be as large, and is
// forgotten bit by bit.
func (ep *endpointState) noteAnswer(resp *Response) {
	size := int64(0)
	for i := range resp.Mutations {
		size += int64(len(resp.Mutations[i].Value))
	}
	for i := range resp.Messages {
		size += int64(len(resp.Messages[i].Arg))
	}
	for i := range resp.Delayed {
		size += int64(len(resp.Delayed[i].Arg))
	}
	for i := range resp.Egresses {
		size += int64(len(resp.Egresses[i].Arg))
	}
	ep.expectedAnswer = max(size, ep.expectedAnswer-(ep.expectedAnswer-size)/8)
}
