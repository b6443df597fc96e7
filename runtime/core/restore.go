package core

const (
	backlogRead  = 64  // Addresses with waiting messages read at a time
	backlogReady = 512 // loads and ready instances beyond which no more are read
)

// onShardRestored begins to read a shard: what waited for it, its unpublished records, its backlog.
func (w *Worker) onShardRestored(ev ShardRestored) {
	sh := w.shards[ev.Shard]
	if sh == nil || sh.restored {
		return
	}
	sh.restored, sh.empty = true, ev.Empty
	w.unrestored--
	for _, t := range sortedTypes(ev.Specs) {
		w.restoreSpecs(sh, t, ev.Specs[t])
	}
	if !ev.Empty {
		w.sweepAgain()
	}
	sh.letters.rows += ev.Letters
	sh.letters.bytes += ev.LetterBytes
	for _, in := range sh.unloaded {
		in.load = unloaded
		w.loads.all--
		w.load(in)
	}
	for _, m := range sh.unchecked {
		w.askDedupe(sh, m)
	}
	sh.unloaded, sh.unchecked = nil, nil
	for _, id := range ev.Egresses {
		w.readOutlet(sh, id)
	}
	sh.scanned = sh.empty
	w.timersMoved = true
	sh.commit(w.committed)
	w.publish()
}

// scanBacklog looks for Addresses that had waiting messages at the restore point, a few at a time.
func (w *Worker) scanBacklog() {
	for w.scanShard < len(w.owned) {
		sh := w.owned[w.scanShard]
		switch {
		case sh.scanned:
			w.scanShard++
			continue
		case !sh.restored || sh.scanning || w.loads.all > backlogReady || w.ready > backlogReady || w.overBudget():
			return
		}
		sh.scanning = true
		w.emit(ReadBacklog{Shard: sh.id, After: sh.backlog, Limit: backlogRead})
		return
	}
}

func (w *Worker) onBacklogRead(ev BacklogRead) {
	sh := w.shards[ev.Shard]
	if sh == nil || !sh.scanning {
		return
	}
	sh.scanning = false
	sh.backlog, sh.scanned = ev.Next, ev.Next == nil
	for _, a := range ev.Addresses {
		w.load(sh.instance(a.Hash(), a))
	}
}
