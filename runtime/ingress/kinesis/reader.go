package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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
	whole   []bad // what letters tell of, in their order; without data if the letter has none
	size    int64 // of batch and letters
	records int   // in batch and letters

	opened  kpl.Aggregate  // being taken apart
	keys    []knownKey     // of opened: what is known of the first of its keys
	other   knownKey       // the key of opened in use that has no place in keys
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

// flush puts the batch, if the position has moved.
func (r *reader) flush(ctx context.Context) error {
	if r.pos == r.put {
		return nil
	}
	at, err := r.pos.Encode(nil)
	if err != nil {
		return fmt.Errorf("shard %s: a record that Kinesis sent: %w", r.name(), err)
	}
	err = r.hand(ctx, ingress.Batch{Position: at, Messages: r.batch, Records: r.letters})
	for errors.Is(err, ingress.ErrUnfit) && r.shorten() {
		err = r.hand(ctx, ingress.Batch{Position: at, Messages: r.batch, Records: r.letters})
	}
	if err != nil {
		return err
	}
	r.stats.read(r.records, 0)
	r.put = r.pos
	r.batch, r.letters, r.whole, r.size, r.records = nil, nil, nil, 0, 0
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
