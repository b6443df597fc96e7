package kinesis

import (
	"context"
	"fmt"
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
	subs, aggregated, err := kpl.Decode(rec.Data, r.subs[:0])
	key := aws.ToString(rec.PartitionKey)
	if err != nil {
		return r.invalid(ctx, bad{sequence: sequence, partitionKey: key, arrival: arrival, data: rec.Data, reason: err}, after)
	}
	if !aggregated {
		return r.user(ctx, bad{sequence: sequence, partitionKey: key, arrival: arrival, data: rec.Data}, after)
	}
	r.subs = subs
	defer r.forgetSubs()
	return r.aggregate(ctx, sequence, arrival, done, after)
}

// forgetSubs keeps the room for the records of an aggregate, but not much of it, and nothing of what they held.
func (r *reader) forgetSubs() {
	clear(r.subs)
	if cap(r.subs) > 1<<14 {
		r.subs = nil
	}
}

// aggregate takes the records of an aggregate, from number done on. One whose hash another shard takes was written when
// ranges were others; its producer saw that and sent it again, so it is dropped, as the Kinesis Client Library does.
func (r *reader) aggregate(ctx context.Context, sequence string, arrival int64, done int, after lineage.Position) error {
	hashes, known, err := r.stream.hashes(ctx, r.in, r.shard)
	if err != nil {
		return err
	}
	for i := done; i < len(r.subs); i++ {
		sub, pos := r.subs[i], after
		if i+1 < len(r.subs) {
			pos.Kind, pos.Sub = lineage.Within, i+1
		}
		if string(sub.PartitionKey) != r.key {
			r.key = string(sub.PartitionKey)
		}
		b := bad{sequence: sequence, sub: i + 1, partitionKey: r.key, arrival: arrival, data: sub.Data}
		hash, err := hashOf(sub, r.key)
		switch {
		case err != nil:
			b.reason = err
			err = r.invalid(ctx, b, pos)
		case known && !hash.Within(hashes.low, hashes.high):
			r.pos, err = pos, nil
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

func hashOf(sub kpl.Record, key string) (kpl.Hash, error) {
	if sub.ExplicitHashKey != nil {
		return kpl.ParseHash(string(sub.ExplicitHashKey))
	}
	return kpl.HashOf(key), nil
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
