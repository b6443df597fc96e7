package kinesis

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// record takes one record of Kinesis. What lies before the position is a repeat.
func (r *reader) record(ctx context.Context, rec types.Record) error {
	sequence, arrival := aws.ToString(rec.SequenceNumber), int64(0)
	if rec.ApproximateArrivalTimestamp != nil {
		arrival = max(rec.ApproximateArrivalTimestamp.UnixMilli(), 0)
	}
	done := 0
	if r.pos.Kind == lineage.After || r.pos.Kind == lineage.Within {
		order := lineage.CompareSequence(sequence, r.pos.Sequence)
		switch {
		case order < 0, order == 0 && r.pos.Kind == lineage.After:
			return nil
		case order == 0:
			done = r.pos.Sub
		case r.pos.Kind == lineage.Within:
			if err := r.lost(ctx, time.UnixMilli(arrival)); err != nil {
				return err
			}
		}
	}
	after := lineage.Position{Kind: lineage.After, Sequence: sequence, Seen: max(r.pos.Seen, arrival), Origin: r.pos.Origin}
	aggregated, err := r.opened.Open(rec.Data)
	key := aws.ToString(rec.PartitionKey)
	if err != nil {
		r.closeAggregate()
		return r.invalid(ctx, bad{sequence: sequence, partitionKey: key, arrival: arrival, data: rec.Data, reason: err}, after)
	}
	if !aggregated {
		return r.user(ctx, bad{sequence: sequence, partitionKey: key, arrival: arrival, data: rec.Data}, after)
	}
	return r.aggregate(ctx, sequence, arrival, done, after)
}

// aggregate takes the records of the opened aggregate, from number done on. One whose hash another shard takes was written when
// ranges were others; its producer saw that and sent it again, so it is dropped, as the Kinesis Client Library does.
func (r *reader) aggregate(ctx context.Context, sequence string, arrival int64, done int, after lineage.Position) error {
	hashes, known, err := r.stream.hashes(ctx, r.in, r.shard)
	if err != nil {
		return err
	}
	ours := func(h kpl.Hash) bool { return h.Within(hashes.low, hashes.high) }
	if !known || hashes == (hashRange{high: kpl.MaxHash}) {
		ours = nil
	}
	defer r.openKeys()()
	for i := range r.opened.Len() {
		sub, _ := r.opened.Next()
		if i < done {
			continue
		}
		pos := after
		if i+1 < r.opened.Len() {
			pos.Kind, pos.Sub = lineage.Within, i+1
		}
		key := r.key(sub)
		b := bad{sequence: sequence, sub: i + 1, partitionKey: key.text, arrival: arrival, data: sub.Data}
		wanted, err := key.wanted(sub.ExplicitHashKey, ours)
		switch {
		case err != nil:
			b.reason = err
			err = r.invalid(ctx, b, pos)
		case !wanted:
			r.pos = pos
		default:
			err = r.user(ctx, b, pos)
		}
		if err != nil {
			return err
		}
	}
	r.pos = after
	return nil
}

// knownKeys is of how many partition keys of an aggregate text and hash are kept while it is taken apart.
const knownKeys = 1 << 10

// knownKey is a partition key of the opened aggregate.
type knownKey struct {
	text   string
	hash   kpl.Hash // if hashed
	read   bool     // text is set
	hashed bool
}

// openKeys makes room for what is known of the opened aggregate's keys, and counts what the aggregate takes beside its bytes. What it returns
// gives both back.
func (r *reader) openKeys() (forget func()) {
	room := int64(r.opened.Room())
	r.in.buffers.give(-room)
	r.keys = slices.Grow(r.keys[:0], min(r.opened.Keys(), knownKeys))[:min(r.opened.Keys(), knownKeys)]
	return func() {
		clear(r.keys)
		r.in.buffers.give(room)
		r.closeAggregate()
	}
}

// closeAggregate keeps the room for the next aggregate's tables, but not much of it.
func (r *reader) closeAggregate() {
	if r.opened.Room() > 1<<16 {
		r.opened = kpl.Aggregate{}
	}
}

// key is the partition key of a record of the opened aggregate. It is good until the next call.
func (r *reader) key(sub kpl.Record) *knownKey {
	k := &r.other
	if sub.Key < len(r.keys) {
		k = &r.keys[sub.Key]
	} else {
		*k = knownKey{}
	}
	if !k.read {
		k.text, k.read = string(sub.PartitionKey), true
	}
	return k
}

// wanted reports whether the shard takes records of this key, or of the explicit hash key if there is one. The error is about that one. A nil
// ours takes all, and no hash is computed.
func (k *knownKey) wanted(explicit []byte, ours func(kpl.Hash) bool) (bool, error) {
	if explicit != nil {
		h, err := kpl.ParseHash(string(explicit))
		return ours == nil || ours(h), err
	}
	if ours == nil {
		return true, nil
	}
	if !k.hashed {
		k.hash, k.hashed = kpl.HashOf(k.text), true
	}
	return ours(k.hash), nil
}

// user takes one record as its producer wrote it. after is the position behind it.
func (r *reader) user(ctx context.Context, b bad, after lineage.Position) error {
	before := len(r.batch)
	batch, err := r.stream.router.appendMessages(b.partitionKey, b.data, &r.memory, r.batch)
	if err != nil {
		r.batch = batch[:before]
		b.reason = err
		return r.invalid(ctx, b, after)
	}
	size := int64(0)
	for _, m := range batch[before:] {
		size += m.Size()
	}
	if r.size > 0 && r.size+size > ingress.MaxBatchBytes {
		r.batch = batch[:before:before]
		if err := r.flush(ctx); err != nil {
			return err
		}
		batch = append(r.batch, batch[before:]...)
	}
	r.batch = batch
	return r.taken(ctx, size, after)
}

// taken notes that a record is in the batch, which is put if it is large enough.
func (r *reader) taken(ctx context.Context, size int64, after lineage.Position) error {
	r.size += size
	r.records++
	r.pos = after
	if r.records < r.in.most && r.size < ingress.MaxBatchBytes {
		return nil
	}
	return r.flush(ctx)
}

// invalid deals with a record that cannot be read. after is the position behind it.
func (r *reader) invalid(ctx context.Context, b bad, after lineage.Position) error {
	switch r.in.opts.OnInvalid {
	case DeadLetter:
		letter := r.letter(b, true)
		size := int64(len(letter.Arg))
		if r.size > 0 && r.size+size > ingress.MaxBatchBytes {
			if err := r.flush(ctx); err != nil {
				return err
			}
		}
		r.logBad(b, "it goes to the dead letters")
		r.letters, r.whole = append(r.letters, letter), append(r.whole, b)
		return r.taken(ctx, size, after)
	case Skip:
		r.logBad(b, "it is skipped")
		r.records++
		r.pos = after
		return nil
	case Hold, DeadLetterOrHold:
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	return fmt.Errorf("shard %s: record %s cannot be read: %w: %w; the shard waits until onInvalid is skip or deadLetter, or the record expires",
		r.name(), b.number(), ingress.ErrHeld, b.reason)
}

func (b bad) number() string {
	if b.sub == 0 {
		return b.sequence
	}
	return fmt.Sprintf("%d within %s", b.sub, b.sequence)
}

// logBad logs bad records, once a minute at most.
func (r *reader) logBad(b bad, what string) {
	r.skipped++
	now := r.in.opts.Now()
	if !r.lastLogged.IsZero() && now.Sub(r.lastLogged) < time.Minute {
		return
	}
	r.in.opts.Log.Warn("kinesis ingress: a record cannot be read: "+what, "stream", r.stream.name, "shard", r.shard,
		"record", b.number(), "reason", b.reason, "since last logged", r.skipped)
	r.skipped, r.lastLogged = 0, now
}
