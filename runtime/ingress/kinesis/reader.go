package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

const (
	maxBatchRecords = 1000        // of one batch, before fan-out to several targets
	putPatience     = time.Second // between two looks at whether others need the memory that waits for credit
	// seenEvery is how often the position of an idle shard moves, on the clock, so that those of all shards move in one
	// checkpoint. It must be well below the least retention, 24 hours.
	seenEvery = int64(4 * time.Hour / time.Millisecond)
	// seenMargin is how far an answer without records may be behind what has arrived.
	seenMargin = int64(time.Minute / time.Millisecond)
)

// errDropped: what was read ahead was given up for others; reading goes on from the position.
var errDropped = errors.New("read-ahead dropped")

// reader reads one shard. It belongs to the goroutine that runs it.
type reader struct {
	in     *Ingress
	stream *stream
	shard  string
	sink   ingress.Sink
	stats  stats

	pos  lineage.Position // behind all that is in the batch or was put
	put  lineage.Position // behind all that was put
	seen int64            // as Position.Seen, but not yet worth a checkpoint

	memory  messages
	batch   []*core.Message
	letters []core.EgressRecord
	size    int64 // of batch and letters
	records int   // in batch and letters

	subs    []kpl.Record   // of the aggregate being taken apart
	key     string         // the last partition key within an aggregate, which others often share
	answer  []types.Record // being read
	held    int64          // of Ingress.buffers
	dropped bool           // answer was given up

	skipped    int       // bad records since the last log line
	lastLogged time.Time // when bad records were logged
}

func newReader(g *Ingress, st *stream, shard string, p ingress.Partition, sink ingress.Sink) (*reader, error) {
	pos, err := lineage.ParsePosition(p.Position)
	if err != nil {
		return nil, fmt.Errorf("shard %s: position: %w: %w", shardName(st, shard), ingress.ErrHeld, err)
	}
	r := &reader{in: g, stream: st, shard: shard, sink: sink, stats: stats{g.reports, p.ID}, pos: pos, put: pos}
	r.stats.set(ingress.PartitionReading, "")
	return r, nil
}

func (r *reader) close() { r.release() }

func (r *reader) name() string { return shardName(r.stream, r.shard) }

// hold notes that n bytes of Ingress.buffers are in use, which the caller took.
func (r *reader) hold(answer []types.Record, n int64) {
	r.answer, r.held, r.dropped = answer, n, false
}

// release gives the memory of the answer back.
func (r *reader) release() {
	clear(r.answer)
	r.answer = nil
	if r.held != 0 {
		r.in.buffers.give(r.held)
		r.held = 0
	}
}

// consume takes the answer's records into batches and puts them all.
func (r *reader) consume(ctx context.Context) error {
	size := 0
	for i := range r.answer {
		size += len(r.answer[i].Data)
	}
	if n := len(r.answer); n > 0 {
		r.stats.read(0, size)
	}
	for i := 0; i < len(r.answer); i++ {
		if err := r.record(ctx, r.answer[i]); err != nil {
			return err
		}
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	if r.dropped {
		return errDropped
	}
	return nil
}

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
		letter := r.deadLetter(b)
		size := int64(len(letter.Arg))
		if r.size > 0 && r.size+size > ingress.MaxBatchBytes {
			if err := r.flush(ctx); err != nil {
				return err
			}
		}
		r.logBad(b, "it goes to the dead letters")
		r.letters = append(r.letters, letter)
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

// flush puts the batch, if the position has moved.
func (r *reader) flush(ctx context.Context) error {
	if r.pos == r.put {
		return nil
	}
	at, err := r.pos.Encode(nil)
	if err != nil {
		return fmt.Errorf("shard %s: a record that Kinesis sent: %w", r.name(), err)
	}
	if err := r.hand(ctx, ingress.Batch{Position: at, Messages: r.batch, Records: r.letters}); err != nil {
		return err
	}
	r.stats.read(r.records, 0)
	r.put = r.pos
	r.batch, r.letters, r.size, r.records = nil, nil, 0, 0
	return nil
}

// hand puts b. If it waits for credit while other shards want for memory, what was read ahead is given up for them.
func (r *reader) hand(ctx context.Context, b ingress.Batch) error {
	for {
		wait := ctx
		cancel := func() {}
		if r.held > 0 {
			wait, cancel = context.WithTimeout(ctx, putPatience)
		}
		err := r.sink.Put(wait, b)
		late := err != nil && wait.Err() != nil && ctx.Err() == nil
		cancel()
		if !late {
			return err
		}
		if r.in.buffers.short() {
			r.release()
			r.dropped = true
		}
	}
}

// idle notes that all that arrived until now is read but for what the last millis brought.
func (r *reader) idle(ctx context.Context, now time.Time, millis int64) error {
	r.stats.behind(millis)
	r.seen = max(r.seen, now.UnixMilli()-max(millis, 0)-seenMargin)
	if r.seen/seenEvery <= r.put.Seen/seenEvery {
		return nil
	}
	r.pos.Seen = max(r.pos.Seen, r.seen)
	return r.flush(ctx)
}

// ended returns ErrEnded once the list of shards agrees. named says that the answer named the shard's children.
func (r *reader) ended(ctx context.Context, named bool) error {
	if !named {
		shards, _, err := r.stream.list(ctx, r.in)
		if err != nil {
			return fmt.Errorf("shard %s: see whether it has ended: %w", r.name(), err)
		}
		for _, s := range shards {
			if s.ID == r.shard && s.Open {
				return nil
			}
		}
	}
	return fmt.Errorf("shard %s: %w", r.name(), ingress.ErrEnded)
}

// run reads the shard in the mode that there is.
func (r *reader) run(ctx context.Context) error {
	if r.in.opts.Mode == Polling {
		return r.poll(ctx)
	}
	err := r.fanOut(ctx)
	var refused *refusedError
	if r.in.opts.Mode == Auto && errors.As(err, &refused) {
		if refused.first {
			r.in.opts.Log.Warn("kinesis ingress: the stream is read by polling, since there is no enhanced fan-out",
				"stream", r.stream.name, "reason", strings.TrimSpace(refused.Error()))
		}
		return r.poll(ctx)
	}
	return err
}
