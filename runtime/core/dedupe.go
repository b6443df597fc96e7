package core

// dedupeCheck is a look into the store for a dedupe id.
type dedupeCheck struct {
	message *Message
	epoch   Epoch          // of the frame that brought the message
	phase   uint64         // of the shard's barrier
	repeats []*dedupeCheck // of the same id, which came while the store was asked
}

// checkDedupe decides, now or after a look into the store, whether m is a repeat.
func (w *Worker) checkDedupe(in *instance, m *Message, e Epoch) {
	sh := in.shard
	if w.knownRepeat(in, m, e) {
		return
	}
	if sh.empty {
		w.acceptFirst(in, m, e)
		return
	}
	m.waiting = true
	w.countCheck(e, 1)
	key, check := dedupeKey{m.Target, m.Dedupe}, &dedupeCheck{message: m, epoch: e}
	if first := sh.checks[key]; first != nil {
		// Were it looked up by itself, its answer could come first, and the message that is kept would lie in its place.
		first.repeats = append(first.repeats, check)
		return
	}
	sh.checks[key] = check
	if sh.restored {
		w.askDedupe(sh, m)
	} else {
		sh.unchecked = append(sh.unchecked, m)
	}
}

func (w *Worker) askDedupe(sh *shard, m *Message) {
	sh.checks[dedupeKey{m.Target, m.Dedupe}].phase = sh.barrier.begin()
	w.emit(FindDedupe{Shard: sh.id, Message: m})
}

// countCheck counts looks under way: a part is complete only when those of its epoch have ended, for their messages
// may still become rows of it.
func (w *Worker) countCheck(e Epoch, n int) {
	if e == w.epoch {
		w.checks += n
		return
	}
	w.cut.checks += n
}

func (w *Worker) onDedupeFound(ev DedupeFound) {
	sh, m := w.shards[ev.Shard], ev.Message
	key := dedupeKey{m.Target, m.Dedupe}
	check := sh.checks[key]
	if check == nil || check.message != m {
		return
	}
	delete(sh.checks, key)
	in := sh.find(m.hash, m.Target)
	w.decide(in, check, ev)
	for _, repeat := range check.repeats {
		w.decide(in, repeat, ev)
	}
	sh.barrier.end(check.phase)
	w.offer(in)
	w.completePart()
}

// decide accepts or drops a message whose dedupe id was looked up.
func (w *Worker) decide(in *instance, check *dedupeCheck, ev DedupeFound) {
	m := check.message
	m.waiting = false
	switch {
	case w.knownRepeat(in, m, check.epoch):
	case ev.Found && ev.Until > w.now:
		w.dropRepeat(in, m, 0)
	default:
		w.acceptFirst(in, m, check.epoch)
	}
	w.countCheck(check.epoch, -1)
}

// knownRepeat drops m, of epoch e, if its dedupe id is in an overlay.
func (w *Worker) knownRepeat(in *instance, m *Message, e Epoch) bool {
	d := in.shard.dedupes[dedupeKey{m.Target, m.Dedupe}]
	if d == nil || d.until <= w.now {
		return false
	}
	if e < d.row.epoch && d.late != e {
		d.late = e
		w.keepLate(in, m, e)
	}
	w.dropRepeat(in, m, min(e, d.row.epoch))
	return true
}

// keepLate makes a message that was in a channel at the cut a row of that snapshot, with its id, and consumes it: a message of
// the next epoch brought the id first, and after a restart at the snapshot that one may never come again.
func (w *Worker) keepLate(in *instance, m *Message, e Epoch) {
	sh := in.shard
	d := &dedupeRow{target: m.Target, hash: m.hash, id: m.Dedupe, until: w.now + w.cfg.DedupeFor}
	o := sh.overlayOf(e)
	o.put(&d.row, d, int64(len(m.Dedupe)+len(m.Target.ID)+8))
	o.put(&m.row, m, m.Size())
	sh.erase(&m.row, m)
	in.lastEpoch, in.late = w.epoch, w.epoch
}

// dropRepeat takes a repeat out of the mailbox. Who waits for it is answered with the checkpoint that first holds the id.
func (w *Worker) dropRepeat(in *instance, m *Message, first Epoch) {
	in.mail = without(in.mail, int(in.taken), m)
	in.behind = without(in.behind, 0, m)
	in.leave(m)
	w.track(in)
	w.release(m)
	w.stats.Repeats++
	if m.Request.N == 0 {
		return
	}
	w.acks = append(w.acks, acceptance{m.Request, first})
	if first == w.epoch {
		w.wantCheckpoint(WantSoon)
	}
}

// without is mail without m, which is the last but few.
func without(mail []*Message, from int, m *Message) []*Message {
	for i := len(mail) - 1; i >= from; i-- {
		if mail[i] == m {
			return append(mail[:i], mail[i+1:]...)
		}
	}
	return mail
}

// acceptFirst accepts a message whose dedupe id is new, and keeps the id.
func (w *Worker) acceptFirst(in *instance, m *Message, e Epoch) {
	old := in.shard.dedupes[dedupeKey{m.Target, m.Dedupe}]
	w.keepID(m, in.shard.overlayOf(e), old)
	if old != nil && e < w.epoch && (old.row.epoch == 0 || old.row.epoch > e) {
		w.keepID(m, in.shard.overlay(), old)                     // behind the delete that the sweep has put there, or in place of what ran out
		in.shard.dedupes[dedupeKey{m.Target, m.Dedupe}].late = e // its repeats from there are no rows
	}
	w.accept(in, m, e)
}

// keepID makes the dedupe id of a message a row. Old is the row of the id that memory knows, nil if there is none.
func (w *Worker) keepID(m *Message, o *Overlay, old *dedupeRow) {
	d := &dedupeRow{target: m.Target, hash: m.hash, id: m.Dedupe, until: w.now + w.cfg.DedupeFor}
	if old != nil && old.row.epoch == o.Epoch {
		o.remove(&old.row) // it ran out within the epoch
	}
	o.put(&d.row, d, int64(len(m.Dedupe)+len(m.Target.ID)+8))
	o.dedupes = append(o.dedupes, d)
	o.expires = true
	w.shards[o.Shard].dedupes[dedupeKey{m.Target, m.Dedupe}] = d
}
