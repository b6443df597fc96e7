package kinesis

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

// Publisher is the after-commit form. It has one lane: a checkpoint's records go out side by side anyway, to all shards at once.
//
// Kinesis keeps no mark of a checkpoint and fences nobody. So another process begins with checkpoint zero, and what it
// publishes again has the ids that it had the first time: a reader that drops repeats of an id gets each record once.
type Publisher struct {
	renderer
	sink *sink

	mu     sync.Mutex        // held through Published and Publish
	asked  bool              // Published was, since the last error
	last   core.CheckpointID // all of it is in the streams
	next   core.CheckpointID // of which sent tells; zero if none
	sent   []bool            // which of its records are in the streams
	closed chan struct{}
	once   sync.Once
}

// OpenPublisher checks the options. Nothing is asked of Kinesis before the first record comes.
func OpenPublisher(opts Options) (*Publisher, error) {
	opts, err := opts.prepare(EnvelopeStateway)
	if err != nil {
		return nil, err
	}
	return &Publisher{renderer: newRenderer(opts), sink: newSink(opts), closed: make(chan struct{})}, nil
}

// Lanes is 1.
func (p *Publisher) Lanes() int { return 1 }

// Published tells the last checkpoint that this Publisher has published; zero if none: what others did is not known.
func (p *Publisher) Published(ctx context.Context, lane int) (core.CheckpointID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.check(ctx, lane); err != nil {
		return 0, err
	}
	p.asked = true
	return p.last, nil
}

func (p *Publisher) check(ctx context.Context, lane int) error {
	select {
	case <-p.closed:
		return egress.ErrClosed
	default:
	}
	if lane != 0 {
		return fmt.Errorf("kinesis egress %s has lane 0 alone, not %d", p.opts.Name, lane)
	}
	return ctx.Err()
}

// Publish returns when Kinesis has taken all records, which takes as long as it takes: only a stream that cannot be written to, a record
// refused, and an ended context are errors. After one, what was taken is not sent again by this Publisher.
func (p *Publisher) Publish(ctx context.Context, lane int, n core.CheckpointID, recs []egress.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.check(ctx, lane); err != nil {
		return err
	}
	if !p.asked {
		return fmt.Errorf("kinesis egress %s: publish checkpoint %d: not known what is published", p.opts.Name, n)
	}
	if n <= p.last || len(recs) == 0 {
		return nil
	}
	if p.next != n || len(p.sent) != len(recs) {
		p.next, p.sent = n, make([]bool, len(recs))
	}
	if err := p.publish(ctx, recs); err != nil {
		p.asked = false
		return fmt.Errorf("kinesis egress %s: publish checkpoint %d: %w", p.opts.Name, n, err)
	}
	p.last, p.next, p.sent = n, 0, nil
	return nil
}

// publish sends the records that are not known to be outside, so many at a time that those open have no more than opts.Bytes.
func (p *Publisher) publish(ctx context.Context, recs []egress.Record) error {
	w := &waiter{sent: p.sent, change: make(chan struct{}, 1)}
	b := &batch{finish: w.finish}
	defer p.sink.withdraw(b)
	for from := 0; from < len(recs); {
		entries, to, err := p.renderPart(b, recs, from)
		if err != nil {
			return errors.Join(err, w.end())
		}
		w.add(entries)
		p.sink.submit(b, entries)
		from = to
		limit := p.opts.Bytes
		if from == len(recs) {
			limit = 0
		}
		if err := w.wait(ctx, limit); err != nil {
			return errors.Join(err, w.end())
		}
	}
	return w.end()
}

// partBytes is how much is rendered at a time.
const partBytes = 1 << 20

// renderPart renders records from from on, and tells where the next part begins.
func (p *Publisher) renderPart(b *batch, recs []egress.Record, from int) (entries []*entry, to int, err error) {
	size := int64(0)
	for to = from; to < len(recs) && size < partBytes; to++ {
		if p.sent[to] {
			continue
		}
		e := &entry{batch: b, index: to}
		if err := p.render(&recs[to], recs[to].StableID(p.opts.Application), e); err != nil {
			return nil, to, fmt.Errorf("%w: %w", egress.ErrRefused, err) // Validate let it through under another module
		}
		entries = append(entries, e)
		size += e.windowSize
	}
	return entries, to, nil
}

// waiter gathers the answers to one Publish. It waits for all of them, because a stream that cannot be written to is no reason to send what
// goes to others twice.
type waiter struct {
	change chan struct{} // holds a token when there are answers that wait has not seen

	mu   sync.Mutex
	sent []bool // guarded by mu until end has returned
	open int64  // bytes without answer; guarded by mu
	err  error  // the first one; guarded by mu
	over bool   // guarded by mu
}

func (w *waiter) add(entries []*entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range entries {
		w.open += e.windowSize
	}
}

func (w *waiter) finish(from, to int, size int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.open -= size
	for i := from; i < to && err == nil; i++ {
		w.sent[i] = true
	}
	if err != nil && w.err == nil {
		w.err = err
	}
	select {
	case w.change <- struct{}{}:
	default:
	}
}

// wait returns when no more than limit bytes are without answer.
func (w *waiter) wait(ctx context.Context, limit int64) error {
	for {
		w.mu.Lock()
		open := w.open
		w.mu.Unlock()
		if open <= limit {
			return nil
		}
		select {
		case <-w.change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// end makes the waiter ignore answers that come later, and returns the first error until now.
func (w *waiter) end() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	return w.err
}

// Stats are the counters of each stream.
func (p *Publisher) Stats() []Stats { return p.sink.stats() }

// Close lets open calls end for up to two seconds and gives the others up.
func (p *Publisher) Close() error {
	p.once.Do(func() { close(p.closed) })
	p.sink.close()
	return nil
}
