package core

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
