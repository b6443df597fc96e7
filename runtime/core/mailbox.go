package core

// arrive takes a message of epoch e, which is the open one, or the last one if the message was in a
// channel at the cut.
func (w *Worker) arrive(sh *shard, m *Message, e Epoch) {
	in := sh.instance(m.hash, m.Target)
	m.seq = sh.seq()
	in.used = true
	in.queue(m)
	w.track(in)
	if m.Dedupe != "" {
		w.checkDedupe(in, m, e)
	} else {
		w.accept(in, m, e)
	}
	w.load(in)
	w.offer(in)
}

// queue puts a message behind all others of its Address.
func (in *instance) queue(m *Message) {
	if in.disk.from != 0 {
		in.behind = append(in.behind, m)
	} else {
		in.mail = append(in.mail, m)
	}
	in.enter(m)
}

// enter counts a message that is now in memory.
func (in *instance) enter(m *Message) {
	in.shard.w.mailBytes += m.Size()
}

// leave counts a message that is no longer in memory.
func (in *instance) leave(m *Message) {
	in.shard.w.mailBytes -= m.Size()
}

// waitingMessages is the number of messages in memory that no try has taken.
func (in *instance) waitingMessages() int { return len(in.mail) - int(in.taken) + len(in.behind) }

// track keeps the instance in the list of those with messages in memory, or takes it out.
func (w *Worker) track(in *instance) {
	has, listed := len(in.mail) > 0 || in.disk.from != 0 && len(in.behind) > 0, w.waitlist.contains(in)
	switch {
	case has && !listed:
		w.waitlist.push(in)
	case !has && listed:
		w.waitlist.remove(in)
	}
}

// accept makes a message a row of epoch e.
func (w *Worker) accept(in *instance, m *Message, e Epoch) {
	in.shard.overlayOf(e).put(&m.row, m, m.Size())
	in.lastEpoch = w.epoch
	if m.Request.N != 0 {
		w.acks = append(w.acks, acceptance{m.Request, e})
		w.wantCheckpoint(WantSoon)
	}
	in.typ.stats.In++
}

// release gives the credit of a message back to its partition.
func (w *Worker) release(m *Message) {
	if m.Origin == 0 {
		return
	}
	w.credits.add(m.Origin, m.Size())
	m.Origin = 0
}

// load asks for the rows of an instance that is in use and not loaded.
func (w *Worker) load(in *instance) {
	if in.load != unloaded {
		return
	}
	in.load = loading
	w.loads.all++
	if !in.shard.restored {
		in.shard.unloaded = append(in.shard.unloaded, in)
		return
	}
	w.loads.queue.push(in)
	w.ask()
}

const (
	loadCount = 1000     // messages read from a stored mailbox at a time
	loadBytes = 64 << 10 // and their bytes
)

func (w *Worker) onAddressLoaded(ev AddressLoaded) {
	in := w.shards[ev.Shard].find(ev.Address.Hash(), ev.Address)
	if in == nil || in.load != loading {
		return
	}
	in.load = loaded
	before := w.cacheBytes
	for _, s := range ev.States {
		in.merge(s)
	}
	w.loads.loaded(w.cacheBytes-before, before >= w.cacheLimit())
	w.mergeMailbox(in, ev)
	if ev.Held != nil {
		w.restoreHeld(in, ev.Held)
	}
	w.offer(in)
}

// merge takes a stored state unless memory knows better.
func (in *instance) merge(s StoredState) {
	if in.slot(s.Name) != nil {
		return
	}
	sl := in.slotAt(s.Name)
	sl.val = s.Value
	if s.HasAccess {
		sl.access = s.Access
	}
	in.addBytes(int64(len(s.Value)))
}

// mergeMailbox puts the stored mailbox before what arrived since the instance is in memory. A row that arrived
// since may be in the store by now too: those are left out.
func (w *Worker) mergeMailbox(in *instance, ev AddressLoaded) {
	limit := ev.LastSeq
	if len(in.mail) > 0 {
		limit = min(limit, in.mail[0].seq-1)
	}
	arrived := in.mail
	in.mail = nil
	last := Seq(0)
	for _, s := range ev.Messages {
		if s.Seq > limit {
			break
		}
		last = s.Seq
		in.mail = append(in.mail, w.fromStore(in, s))
	}
	if ev.More && last < limit {
		in.disk = diskTail{from: last + 1, through: limit, count: -1}
		in.behind = arrived
	} else {
		in.mail = append(in.mail, arrived...)
	}
	w.track(in)
}

// fromStore makes a message in memory of a stored one.
func (w *Worker) fromStore(in *instance, s StoredMessage) *Message {
	m := &Message{Target: in.addr, Caller: s.Caller, Arg: s.Arg, Trace: s.Trace, hash: in.hash, seq: s.Seq}
	in.enter(m)
	w.fromDisk(in, m.Size())
	return m
}

// fromDisk counts bytes of an instance that no longer lie in the store only.
func (w *Worker) fromDisk(in *instance, n int64) {
	known := min(n, in.disk.bytes)
	in.disk.bytes -= known
	absent := min(n-known, w.absentBytes)
	w.absentBytes -= absent
	w.diskBytes -= known + absent
}

// fetch asks for the next part of the mailbox that lies in the store only.
func (w *Worker) fetch(in *instance) {
	in.fetching = true
	w.fetches++
	w.emit(LoadMailbox{
		Shard: in.shard.id, Address: in.addr,
		From: in.disk.from, Through: in.disk.through, Count: loadCount, Bytes: loadBytes,
	})
}

func (w *Worker) onMailboxLoaded(ev MailboxLoaded) {
	in := w.shards[ev.Shard].find(ev.Address.Hash(), ev.Address)
	if in == nil || !in.fetching {
		return
	}
	in.fetching = false
	w.fetches--
	last := in.disk.through
	for _, s := range ev.Messages {
		in.mail = append(in.mail, w.fromStore(in, s))
		last = s.Seq
	}
	if ev.More && len(ev.Messages) > 0 && last < in.disk.through {
		in.disk.from = last + 1
		if in.disk.count >= 0 {
			in.disk.count -= len(ev.Messages)
		}
	} else {
		w.fromDisk(in, in.disk.bytes) // what rows do not hold of a message: its dedupe id
		in.disk = diskTail{}
		in.mail = append(in.mail, in.behind...)
		in.behind = nil
	}
	w.track(in)
	if in.dropping {
		w.dropNow(in)
	}
	w.offer(in)
}

// consume deletes the messages that a try had taken.
func (w *Worker) consume(in *instance, n int) {
	for _, m := range in.mail[:n] {
		in.shard.erase(&m.row, m)
		in.leave(m)
		w.release(m)
	}
	in.lastEpoch = w.epoch
	clear(in.mail[:n])
	if n == len(in.mail) {
		in.mail = in.mail[:0]
	} else {
		in.mail = in.mail[n:]
	}
	in.taken = 0
	in.suspects = max(in.suspects-int32(n), 0) //nolint:gosec // of messages in memory
	w.track(in)
}

// spill moves waiting messages whose rows are in the store out of memory, the longest waiting first, until
// the worker is well below its budget. What it cannot move now it tries again after the next Applied.
func (w *Worker) spill() {
	if w.mailBytes <= w.mailBudget() || w.spilled {
		return
	}
	w.spilled = true
	low := w.mailBudget() * 3 / 4
	for in := w.waitlist.first; in != nil && w.mailBytes > low; {
		next := in.waiting.next
		w.spillInstance(in)
		in = next
	}
}

// spillInstance moves the stored part of an instance's waiting messages out of memory.
func (w *Worker) spillInstance(in *instance) {
	if !in.spillable() {
		return
	}
	if n := in.storedPrefix(in.mail[in.taken:], w.epoch); n > 0 {
		w.spillHead(in, n)
	}
	w.spillBehind(in, w.epoch)
}

// spillable reports whether waiting messages may leave memory. While the store still has a late repeat between them they stay: it
// would come back with them.
func (in *instance) spillable() bool {
	return in.load == loaded && !in.fetching && in.late <= Epoch(in.shard.applied)
}

// spillBehind moves out of memory what waits behind a part that is in the store only, as far as it is stored and of an epoch before the
// given one.
func (w *Worker) spillBehind(in *instance, before Epoch) {
	if in.disk.from == 0 {
		return
	}
	if n := in.storedPrefix(in.behind, before); n > 0 {
		in.disk.through = in.behind[n-1].seq
		w.toDisk(in, in.behind[:n])
		in.behind = append([]*Message(nil), in.behind[n:]...)
	}
	w.track(in)
	w.offer(in)
}

// spillHead moves the first n waiting messages of mail out of memory; if part of mail stays, it is behind them.
func (w *Worker) spillHead(in *instance, n int) {
	head := in.mail[in.taken:][:n]
	rest := in.mail[in.taken:][n:]
	if in.disk.from == 0 {
		in.disk.through = head[n-1].seq
		in.behind = append([]*Message(nil), rest...)
	} else if len(rest) > 0 {
		return // messages that were read back and are not in the store: cannot be
	}
	in.disk.from = head[0].seq
	w.toDisk(in, head)
	in.mail = append([]*Message(nil), in.mail[:in.taken]...)
}

// storedPrefix is how many of the messages, from the first, have their rows in the store and are of an epoch before the given one.
func (in *instance) storedPrefix(mail []*Message, before Epoch) int {
	last := min(Epoch(in.shard.applied), before-1)
	for i, m := range mail {
		if m.waiting || m.row.epoch > last {
			return i
		}
	}
	return len(mail)
}

func (w *Worker) toDisk(in *instance, mail []*Message) {
	for _, m := range mail {
		in.leave(m)
		in.disk.bytes += m.Size()
		if in.disk.count >= 0 {
			in.disk.count++
		}
		w.diskBytes += m.Size()
		if w.diskBytes > w.cfg.DiskBacklog {
			w.credits.hold(m.Origin, m.Size())
			m.Origin = 0
			continue
		}
		w.release(m)
	}
}
