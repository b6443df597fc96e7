package core

import (
	"fmt"
	"slices"

	"github.com/stateway/stateway/protocol/trace"
)

// outlet is what one egress has to publish of one shard.
type outlet struct {
	pending []*OutRecord // of checkpoints that have not committed, oldest first
	reading bool         // rows of before the restore are being read
	after   OutboxKey
}

const (
	outboxRead  = 1024
	outboxBytes = 1 << 20
)

func (sh *shard) outlet(id EgressID) *outlet {
	o := sh.outlets[id]
	if o == nil {
		o = &outlet{}
		sh.outlets[id] = o
	}
	return o
}

// emitRecord makes a record a row, and hands it to its egress: at once, or when its checkpoint has committed.
func (w *Worker) emitRecord(sh *shard, id EgressID, arg Value, tr *trace.Context) *OutRecord {
	e := &w.egresses[id]
	r := e.newRecord(len(arg))
	r.Egress, r.Shard, r.Key = id, sh.id, OutboxKey{Epoch: w.epoch, Seq: sh.seq()}
	r.Arg, r.Trace, r.name = arg, tr, e.Name
	sh.put(&r.row, r, r.size())
	w.outboxBytes += r.size()
	e.unpublished++
	w.stats.EgressRecords++
	if !e.AfterCommit {
		w.emissions.add(id, r)
		return r
	}
	o := sh.outlet(id)
	o.pending = append(o.pending, r)
	w.wantCheckpoint(WantSoon)
	return r
}

// newRecord is memory for a record. Those of one egress are done in the order in which they were made, more or less.
func (e *egressState) newRecord(bytes int) *OutRecord {
	if bytes > pieceSize {
		return &OutRecord{}
	}
	return &takeFrom(&e.memory, 1, atOnce)[0]
}

// emitFromIngress makes rows of the records that an ingress has for egresses. They belong to no Address, so that any shard will do;
// one of this worker's own keeps them in the epoch of the position.
func (w *Worker) emitFromIngress(r *Records) {
	if len(w.owned) == 0 {
		w.emit(Broken{Reason: fmt.Sprintf("partition %s has records for an egress, but this worker owns no shard to keep them", r.Name)})
		return
	}
	for i := range r.Egresses {
		rec := &r.Egresses[i]
		w.emitRecord(w.owned[0], w.egressIDs[rec.Egress], rec.Arg, nil).origin = r.Partition
	}
}

func (r *OutRecord) size() int64 { return int64(len(r.Arg) + len(r.name) + r.Trace.Memory() + 64) }

// emissions gathers what one step emits, by egress.
type emissions struct {
	records [][]*OutRecord // by EgressID
	before  []int          // as many were emitted the last time, by EgressID
	order   []EgressID
}

func (e *emissions) add(id EgressID, r *OutRecord) {
	for int(id) >= len(e.records) {
		e.records, e.before = append(e.records, nil), append(e.before, 0)
	}
	if len(e.records[id]) == 0 {
		e.order = append(e.order, id)
		e.records[id] = make([]*OutRecord, 0, min(e.before[id], mostAtOnce)+1)
	}
	e.records[id] = append(e.records[id], r)
}

// flushEmissions hands over what the step emitted at once.
func (w *Worker) flushEmissions() {
	e := &w.emissions
	for _, id := range e.order {
		w.emit(Emit{Egress: id, Records: e.records[id]})
		e.before[id] = len(e.records[id])
		e.records[id] = nil
	}
	e.order = e.order[:0]
}

// publish hands over the after-commit records of every committed checkpoint. Until every shard is restored and the rows of
// before the restore are read it waits, for records leave in checkpoint order, all of a checkpoint together.
func (w *Worker) publish() {
	if w.unrestored > 0 || w.outletsReading > 0 {
		return
	}
	news := w.committed > w.published
	for id := range w.egresses {
		if w.egresses[id].AfterCommit && w.publishEgress(EgressID(id)) { //nolint:gosec // a short list
			news = true
		}
	}
	if news {
		w.published = w.committed
		w.emit(EmitEnd{Checkpoint: w.committed})
	}
}

// publishEgress hands over what an egress is to publish, and reports whether there was anything.
func (w *Worker) publishEgress(id EgressID) bool {
	var all []*OutRecord
	for _, sh := range w.owned {
		o := sh.outlets[id]
		if o == nil {
			continue
		}
		n := 0
		for n < len(o.pending) && o.pending[n].Key.Epoch.Checkpoint() <= w.committed {
			n++
		}
		all = append(all, o.pending[:n]...)
		o.pending = append([]*OutRecord(nil), o.pending[n:]...)
	}
	news := len(all) > 0
	slices.SortStableFunc(all, func(a, b *OutRecord) int { return int(a.Key.Epoch) - int(b.Key.Epoch) }) //nolint:gosec // near each other
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Key.Epoch == all[0].Key.Epoch {
			n++
		}
		w.emit(Emit{Egress: id, Checkpoint: all[0].Key.Epoch.Checkpoint(), Records: all[:n:n]})
		all = all[n:]
	}
	return news
}

func (w *Worker) onEgressDone(ev EgressDone) {
	for _, r := range ev.Records {
		sh := w.shards[r.Shard]
		if sh == nil || r.done {
			continue
		}
		r.done = true
		w.egresses[r.Egress].unpublished--
		w.outboxBytes -= r.size()
		if r.origin != 0 {
			w.credits.add(r.origin, int64(len(r.Arg)))
		}
		sh.eraseQuietly(&r.row, r)
	}
}

// readOutlet reads the records that were not published at the restore point.
func (w *Worker) readOutlet(sh *shard, id EgressID) {
	o := sh.outlet(id)
	o.reading = true
	w.outletsReading++
	w.emitReadOutbox(sh, id, o)
}

func (w *Worker) emitReadOutbox(sh *shard, id EgressID, o *outlet) {
	w.emit(ReadOutbox{
		Shard: sh.id, Egress: id, Name: w.egresses[id].Name,
		After: o.after, Limit: outboxRead, Bytes: outboxBytes,
	})
}

func (w *Worker) onOutboxRead(ev OutboxRead) {
	sh := w.shards[ev.Shard]
	o := sh.outlets[ev.Egress]
	if o == nil || !o.reading {
		return
	}
	e := &w.egresses[ev.Egress]
	stored := make([]*OutRecord, 0, len(ev.Records))
	for _, row := range ev.Records {
		o.after = row.Key
		if row.Key.Epoch.Checkpoint() > w.cfg.Restored {
			continue // written since: it is in memory
		}
		r := &OutRecord{Egress: ev.Egress, Shard: sh.id, Key: row.Key, Arg: row.Arg, Trace: row.Trace, name: e.Name}
		w.outboxBytes += r.size()
		e.unpublished++
		stored = append(stored, r)
	}
	w.takeStored(o, e, stored)
	if ev.More {
		w.emitReadOutbox(sh, ev.Egress, o)
		return
	}
	o.reading = false
	w.outletsReading--
	w.publish()
}

// takeStored hands stored records over, or keeps them before those of this generation.
func (w *Worker) takeStored(o *outlet, e *egressState, stored []*OutRecord) {
	if !e.AfterCommit {
		for _, r := range stored {
			w.emissions.add(r.Egress, r)
		}
		return
	}
	n := 0
	for n < len(o.pending) && o.pending[n].Key.Epoch.Checkpoint() <= w.cfg.Restored {
		n++
	}
	o.pending = slices.Insert(o.pending, n, stored...)
}
