package core

import (
	"encoding/binary"
	"iter"

	"github.com/stateway/stateway/protocol/trace"
)

// Overlay is what one epoch changed in one shard, in order: of two rows with one key the later counts. The open overlay belongs
// to its worker; a frozen one that is part of a Part is read by whoever encodes and commits it, and
// does not change any more.
type Overlay struct {
	Shard   ShardID
	Epoch   Epoch
	NextSeq Seq // the shard's counter at the end, kept with the rows

	root    rowLink // the ring of rows
	count   int
	bytes   int64
	total   *int64 // of all overlays of the worker
	dedupes []*dedupeRow
	dead    []TimerKey      // timers whose rows it deletes
	letters []DeadLetterKey // dead letters whose rows it deletes
	handed  bool            // to be written to the store
	expires bool            // it has rows for the sweep
}

// rowLink is a row's place in an overlay. A thing that has a row embeds one.
type rowLink struct {
	prev, next *rowLink
	src        rowWriter
	epoch      Epoch // of the overlay that holds or held the row; zero if none did
	size       int64
}

// rowWriter makes the row of a thing. It is called by whoever encodes a frozen overlay, so it reads
// only what no longer changes.
type rowWriter interface {
	appendRow(b *rowBuffer) Row
}

// rowBuffer is memory for one row at a time.
type rowBuffer struct{ key, val []byte }

const (
	rowOverhead   = 96 // bytes of a row in memory beside key and value, for budgets
	tombstoneSize = 64
)

func newOverlay(shard ShardID, epoch Epoch, total *int64) *Overlay {
	o := &Overlay{Shard: shard, Epoch: epoch, total: total}
	o.root.prev, o.root.next = &o.root, &o.root
	return o
}

// put adds the row of src at the end.
func (o *Overlay) put(l *rowLink, src rowWriter, size int64) {
	l.src, l.epoch, l.size = src, o.Epoch, size+rowOverhead
	l.prev, l.next = o.root.prev, &o.root
	l.prev.next = l
	o.root.prev = l
	o.count++
	o.grow(l.size)
}

func (o *Overlay) grow(n int64) {
	o.bytes += n
	*o.total += n
}

// remove takes a row out of the overlay that holds it.
func (o *Overlay) remove(l *rowLink) {
	l.prev.next, l.next.prev = l.next, l.prev
	l.prev, l.next, l.epoch = nil, nil, 0
	o.count--
	o.grow(-l.size)
}

// erase deletes a row: it vanishes if it is in this overlay; otherwise a tombstone is written.
func (o *Overlay) erase(l *rowLink, src rowWriter) {
	if l.epoch == o.Epoch {
		o.remove(l)
		return
	}
	t := &tombstone{of: src}
	o.put(&t.row, t, tombstoneSize)
}

// resize tells that the row's size became size.
func (o *Overlay) resize(l *rowLink, size int64) {
	o.grow(size + rowOverhead - l.size)
	l.size = size + rowOverhead
}

// Len is the number of rows.
func (o *Overlay) Len() int { return o.count }

// Bytes is about the memory that the rows use.
func (o *Overlay) Bytes() int64 { return o.bytes }

// Rows yields the rows, each valid until the next; the order is that of the first writes.
func (o *Overlay) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		var b rowBuffer
		for l := o.root.next; l != &o.root; l = l.next {
			if !yield(l.src.appendRow(&b)) {
				return
			}
		}
	}
}

// Release unties the rows of a frozen overlay once its shard's store holds them and nobody iterates
// any more, so that one that stays in use does not keep the others in memory.
func (o *Overlay) Release() {
	for l := o.root.next; l != &o.root; {
		next := l.next
		l.prev, l.next = nil, nil
		l = next
	}
	o.root.prev, o.root.next = &o.root, &o.root
}

// tombstone deletes the row of something that an earlier overlay or the store holds.
type tombstone struct {
	row rowLink
	of  rowWriter
}

func (t *tombstone) appendRow(b *rowBuffer) Row {
	r := t.of.appendRow(b)
	return Row{Key: r.Key, Delete: true}
}

// stateRow is a state's value, nil if it was deleted.
type stateRow struct {
	row  rowLink
	inst *instance
	name string
	val  Value
}

func (s *stateRow) appendRow(b *rowBuffer) Row {
	b.key = append(appendAddressKey(b.key[:0], TableAddress, s.inst.hash, s.inst.addr), SubState)
	b.key = append(b.key, s.name...)
	return Row{Key: b.key, Value: s.val, Delete: s.val == nil}
}

// accessRow is a state's last write or access; zero deletes it.
type accessRow struct {
	row  rowLink
	inst *instance
	name string
	at   Millis
}

func (a *accessRow) appendRow(b *rowBuffer) Row {
	b.key = append(appendAddressKey(b.key[:0], TableAddress, a.inst.hash, a.inst.addr), SubAccess)
	b.key = append(b.key, a.name...)
	b.val = appendMillis(b.val[:0], a.at)
	return Row{Key: b.key, Value: b.val, Delete: a.at == 0}
}

// tokenRow leads from a cancellation token to its timer.
type tokenRow struct {
	row    rowLink
	sender Address
	token  string
	timer  TimerKey
}

func (t *tokenRow) appendRow(b *rowBuffer) Row {
	b.key = append(appendAddressKey(b.key[:0], TableAddress, t.sender.Hash(), t.sender), SubToken)
	b.key = append(b.key, t.token...)
	b.val = t.timer.AppendValue(b.val[:0])
	return Row{Key: b.key, Value: b.val}
}

// dedupeRow is a dedupe id of a target.
type dedupeRow struct {
	row    rowLink
	target Address
	hash   uint64
	id     string
	until  Millis
	late   Epoch // the one before, if its snapshot holds the id too, with a message
}

func (d *dedupeRow) appendRow(b *rowBuffer) Row {
	b.key = append(appendAddressKey(b.key[:0], TableDedupe, d.hash, d.target), d.id...)
	b.val = appendMillis(b.val[:0], d.until)
	return Row{Key: b.key, Value: b.val}
}

// specsRow is what was learned of a function type.
type specsRow struct {
	row   rowLink
	typ   FunctionType
	specs Specs
}

func (s *specsRow) appendRow(b *rowBuffer) Row {
	b.key = append(append(b.key[:0], TableSpecs), s.typ...)
	b.val = AppendSpecs(b.val[:0], s.specs)
	return Row{Key: b.key, Value: b.val}
}

// heldRow is the failure for which an Address is held; a nil failure deletes it.
type heldRow struct {
	row  rowLink
	inst *instance
	held *Failure
}

func (h *heldRow) appendRow(b *rowBuffer) Row {
	b.key = append(appendAddressKey(b.key[:0], TableAddress, h.inst.hash, h.inst.addr), SubHeld)
	if h.held == nil {
		return Row{Key: b.key, Delete: true}
	}
	b.val = AppendFailure(b.val[:0], h.held)
	return Row{Key: b.key, Value: b.val}
}

// OutRecord is an egress record that is not yet published. The core keeps its row until EgressDone.
type OutRecord struct {
	Egress EgressID
	Shard  ShardID
	Key    OutboxKey // Key.Epoch is the epoch, and so the checkpoint, that holds the record
	Arg    Value
	Trace  *trace.Context // of the invocation that made it; nil if it had none

	row    rowLink
	name   string      // of the egress
	origin PartitionID // that gets credit back when the record is published; zero if none
	done   bool
}

func (r *OutRecord) appendRow(b *rowBuffer) Row {
	b.key = r.Key.Append(b.key[:0], r.name)
	b.val = append(r.Trace.AppendPacked(b.val[:0]), r.Arg...)
	return Row{Key: b.key, Value: b.val}
}

// failureRow is a dead letter kept for putting back.
type failureRow struct {
	row rowLink
	at  Millis
	seq Seq
	val []byte
}

func (f *failureRow) appendRow(b *rowBuffer) Row {
	b.key = appendMillis(append(b.key[:0], TableFailure), f.at)
	b.key = binary.BigEndian.AppendUint64(b.key, uint64(f.seq))
	return Row{Key: b.key, Value: f.val}
}
