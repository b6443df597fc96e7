package core

import (
	"maps"
	"slices"
)

const sweepEvery = Millis(200)

// sweepAlarm is when the sweep goes on; zero means that there is nothing to sweep.
func (w *Worker) sweepAlarm() Millis {
	if !w.sweepable || w.sweeping || len(w.owned) == 0 {
		return 0
	}
	return max(1, w.sweepAt)
}

// sweep looks at the next rows that may be over, a bounded number in a second, shard after shard.
func (w *Worker) sweep() {
	if w.halting || w.sweepAlarm() == 0 || w.sweepAt > w.now {
		return
	}
	w.sweepAt = w.now + sweepEvery
	sh := w.owned[w.sweepShard%len(w.owned)]
	if !sh.restored || sh.empty {
		w.nextSweepShard()
		return
	}
	w.sweepLetters(sh)
	w.sweeping, w.sweepOf = true, sh.applied
	limit := max(1, w.cfg.SweepRows*int(sweepEvery)/1000)
	w.emit(ReadExpiring{Shard: sh.id, After: w.sweepNext, Limit: limit})
}

// sweepAgain tells that the stores hold more that expires: a round that is under way may have missed it.
func (w *Worker) sweepAgain() { w.sweepable, w.swept = true, true }

func (w *Worker) nextSweepShard() {
	w.sweepNext = nil
	w.sweepShard++
	if w.sweepShard%len(w.owned) == 0 {
		w.sweepable = w.swept // a whole round without anything that could expire ends the sweep
		w.swept = false
	}
}

func (w *Worker) onExpiringRead(ev ExpiringRead) {
	if !w.sweeping {
		return
	}
	w.sweeping = false
	sh := w.shards[ev.Shard]
	if sh.applied != w.sweepOf {
		return // memory may have forgotten what it knew beyond these rows: they are read again
	}
	w.swept = w.swept || len(ev.Accesses) > 0 || len(ev.Dedupes) > 0
	for _, a := range ev.Accesses {
		w.sweepState(sh, a)
	}
	for _, d := range ev.Dedupes {
		w.sweepDedupe(sh, d)
	}
	if w.sweepNext = ev.Next; ev.Next == nil {
		w.nextSweepShard()
	}
	w.evict(evictSteps)
}

// sweepState deletes a stored state whose time is over, unless memory knows a later access.
func (w *Worker) sweepState(sh *shard, a StoredAccess) {
	t := w.types[a.Address.Type]
	if t == nil {
		return // nothing is known of its states
	}
	spec := t.spec(a.Name)
	if spec == nil || spec.Mode == ExpireNever || !spec.over(a.Access, w.now) {
		return
	}
	in := sh.instance(a.Address.Hash(), a.Address)
	s := in.slot(a.Name)
	if s == nil {
		if in.load == loaded {
			return // deleted since
		}
		s = in.slotAt(a.Name)
		s.access = a.Access
	}
	if s.access == 0 || !spec.over(s.access, w.now) {
		return
	}
	in.expire(s)
	w.stats.Expired++
}

// sweepDedupe deletes a stored dedupe id whose window is over.
func (w *Worker) sweepDedupe(sh *shard, d StoredDedupe) {
	key := dedupeKey{d.Address, d.ID}
	if d.Until > w.now || sh.dedupes[key] != nil {
		return
	}
	row := &dedupeRow{target: d.Address, hash: d.Address.Hash(), id: d.ID, until: d.Until}
	sh.erase(&row.row, row)
	sh.dedupes[key] = row // until the store has forgotten it, so that the next round leaves it alone
	sh.open.dedupes = append(sh.open.dedupes, row)
	w.stats.Expired++
}

func sortedTypes(m map[FunctionType]Specs) []FunctionType { return slices.Sorted(maps.Keys(m)) }
