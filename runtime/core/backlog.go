package core

// Addresses whose waiting messages lie in the stores are not all in memory: those of before the restore are not yet, and others are
// forgotten when memory is short. A scan goes round the stores and loads them for endpoints that have few ready Addresses; those
// of others, which may answer nothing, it passes over until a later round.

const (
	backlogRead  = 64  // Addresses with waiting messages read at a time
	backlogReady = 512 // loads, and ready instances of an endpoint, beyond which no more are read
)

// scanBacklog goes on with the round, a few Addresses at a time, or begins another.
func (w *Worker) scanBacklog() {
	for w.scanShard < len(w.owned) || w.scanAgain() {
		if w.loads.all > backlogReady || w.overBudget() || !w.scanWanted(backlogReady) || w.scanShards() {
			return
		}
		w.endRound()
	}
}

// scanShards reads on. It says no when the round is over.
func (w *Worker) scanShards() bool {
	for ; w.scanShard < len(w.owned); w.scanShard++ {
		sh := w.owned[w.scanShard]
		switch {
		case sh.scanned:
			continue
		case sh.restored && !sh.scanning:
			sh.scanning = true
			w.emit(ReadBacklog{Shard: sh.id, After: sh.backlog, Limit: backlogRead})
		}
		return true
	}
	return false
}

// scanWanted reports whether an endpoint with messages in the stores has fewer ready Addresses than that.
func (w *Worker) scanWanted(ready int) bool {
	for i := range w.endpoints {
		if ep := &w.endpoints[i]; ep.absent && ep.waiting < ready {
			return true
		}
	}
	return false
}

// endRound notes whose messages are left in the stores.
func (w *Worker) endRound() {
	left := false
	for i := range w.endpoints {
		ep := &w.endpoints[i]
		ep.absent, ep.skipped = ep.skipped, false
		left = left || ep.absent
	}
	if !left {
		w.diskBytes -= w.absentBytes
		w.absentBytes = 0
	}
}

// scanAgain begins a round if an endpoint has room for what the last one left.
func (w *Worker) scanAgain() bool {
	if !w.scanWanted(backlogReady / 2) {
		return false
	}
	w.scanShard = 0
	for _, sh := range w.owned {
		sh.backlog, sh.scanned = nil, sh.empty
	}
	return true
}

func (w *Worker) onBacklogRead(ev BacklogRead) {
	sh := w.shards[ev.Shard]
	if sh == nil || !sh.scanning {
		return
	}
	sh.scanning = false
	sh.backlog, sh.scanned = ev.Next, ev.Next == nil
	for _, a := range ev.Addresses {
		if id, ok := w.cfg.App.EndpointOf(a.Type); ok && w.endpoints[id].waiting >= backlogReady {
			w.endpoints[id].skipped = true
			continue
		}
		w.load(sh.instance(a.Hash(), a))
	}
}

// stored reports whether the instance has waiting messages, all in the store only, and nothing else that keeps it in memory.
func (in *instance) stored() bool {
	return in.load == loaded && in.disk.from != 0 && len(in.mail)+len(in.behind) == 0 && in.inflight == nil && !in.fetching &&
		!in.dropping && in.fail == nil && in.held == nil && in.parked == nil && in.suspects == 0 && in.late <= Epoch(in.shard.applied)
}

// forgetStored drops an instance whose messages wait in the store; a scan finds it again.
func (w *Worker) forgetStored(in *instance) {
	if in.ready {
		w.dequeue(in)
	}
	if in.typ.endpoint >= 0 {
		ep := &w.endpoints[in.typ.endpoint]
		ep.absent, ep.skipped = true, true
	}
	w.absentBytes += in.disk.bytes
	w.forgot = true
	in.shard.forget(in)
}
