package core

import "fmt"

// cutState is a checkpoint between this worker's cut and the hand-over of its part.
type cutState struct {
	checkpoint CheckpointID
	time       Millis
	positions  map[string][]byte
	ended      map[NodeID]bool
	checks     int // looks for dedupe ids of its epoch that are under way
}

func (w *Worker) onBegin(ev Begin) { w.cutAt(Epoch(ev.Checkpoint)) }

// cutAt ends epoch e, unless it has ended: freezes the overlays, notes positions, and goes on at once.
func (w *Worker) cutAt(e Epoch) {
	if e < w.epoch {
		return
	}
	if e > w.epoch || w.cut != nil {
		w.emit(Broken{Reason: fmt.Sprintf("cut of epoch %d asked for in epoch %d", e, w.epoch)})
		return
	}
	w.onCommitted(CheckpointID(e - 1)) // a later cut proves it
	for to := range w.channels {
		w.flushChannel(WorkerID(to)) //nolint:gosec // a short list
	}
	for _, sh := range w.owned {
		sh.freeze()
	}
	w.cut = &cutState{
		checkpoint: e.Checkpoint(), time: w.now, positions: w.positions,
		ended: map[NodeID]bool{}, checks: w.checks,
	}
	w.positions = map[string][]byte{}
	w.checks = 0
	w.epoch++
	w.want = WantNothing
	w.emit(EpochEnded{Epoch: e})
}

func (sh *shard) freeze() {
	if sh.open != nil {
		sh.frozen = append(sh.frozen, sh.open)
		sh.open = nil
	}
}

func (w *Worker) onEndOfEpoch(ev EndOfEpoch) {
	w.cutAt(ev.Epoch)
	if w.cut == nil || w.cut.checkpoint != ev.Epoch.Checkpoint() {
		return
	}
	w.cut.ended[ev.Node] = true
	w.completePart()
}

// completePart hands the part over when every channel is empty of the epoch.
func (w *Worker) completePart() {
	c := w.cut
	if c == nil || c.checks > 0 || len(c.ended) < len(w.cfg.Nodes) {
		return
	}
	w.cut = nil
	part := Part{Worker: w.cfg.ID, Checkpoint: c.checkpoint, Time: c.time, Positions: c.positions}
	for _, sh := range w.owned {
		n := len(sh.frozen)
		if n == 0 || sh.frozen[n-1].Epoch.Checkpoint() != c.checkpoint {
			continue
		}
		if o := sh.frozen[n-1]; o.count > 0 {
			o.NextSeq = sh.nextSeq
			part.Overlays = append(part.Overlays, o)
			w.stats.Rows += uint64(o.count) //nolint:gosec // not negative
		} else {
			sh.frozen = sh.frozen[:n-1]
		}
	}
	w.emit(part)
}

// onCommitted hands the committed overlays to the stores and publishes what waited for the commit.
func (w *Worker) onCommitted(n CheckpointID) {
	if n <= w.committed {
		return
	}
	w.committed = n
	for _, sh := range w.owned {
		sh.commit(n)
	}
	w.publish()
}

func (sh *shard) commit(n CheckpointID) {
	waiting := false
	for _, o := range sh.frozen {
		if o.Epoch.Checkpoint() > n {
			break
		}
		waiting = true
		if !o.handed && sh.restored { // the store must hold the restore point first
			o.handed = true
			sh.empty = false
			sh.w.emit(Apply{Overlay: o})
		}
	}
	if !waiting {
		sh.applied = max(sh.applied, n)
	}
}

// onApplied lets go of what the store now holds.
func (w *Worker) onApplied(ev Applied) {
	sh := w.shards[ev.Shard]
	if sh == nil || ev.Checkpoint <= sh.applied {
		return
	}
	n := 0
	for n < len(sh.frozen) && sh.frozen[n].Epoch.Checkpoint() <= ev.Checkpoint {
		w.overlayBytes -= sh.frozen[n].bytes
		if sh.frozen[n].expires {
			w.sweepAgain()
		}
		n++
	}
	done := append([]*Overlay(nil), sh.frozen[:n]...)
	sh.frozen = append([]*Overlay(nil), sh.frozen[n:]...)
	sh.applied = ev.Checkpoint
	if len(sh.frozen) == 0 {
		sh.applied = max(sh.applied, w.committed)
	}
	sh.barrier.then(func() { sh.settle(done) })
	w.trimTimers(sh)
	w.spilled = false
	w.loads.beyond = 0
	w.spill()
	w.evict(evictSteps)
}

// settle forgets what overlays knew beyond the store, once no read that is older is under way.
func (sh *shard) settle(done []*Overlay) {
	for _, o := range done {
		for _, d := range o.dedupes {
			key := dedupeKey{d.target, d.id}
			if sh.dedupes[key] == d {
				delete(sh.dedupes, key)
			}
		}
		for _, k := range o.dead {
			delete(sh.timers.dead, k)
		}
		for _, k := range o.letters {
			delete(sh.letters.gone, k)
		}
	}
}
