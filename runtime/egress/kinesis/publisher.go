package kinesis

import (
	"context"
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

// publish sends the records that are not known to be outside.
func (p *Publisher) publish(ctx context.Context, recs []egress.Record) error {
	w := &waiter{sent: p.sent, done: make(chan struct{})}
	b := &batch{finish: w.finish}
	all := make([]entry, len(recs))
	entries := make([]*entry, 0, len(recs))
	for i := range recs {
		if p.sent[i] {
			continue
		}
		all[i].batch, all[i].index = b, i
		if err := p.render(&recs[i], recs[i].StableID(p.opts.Application), &all[i]); err != nil {
			return fmt.Errorf("%w: %w", egress.ErrRefused, err) // Validate let it through under another module
		}
		entries = append(entries, &all[i])
	}
	if len(entries) == 0 {
		return nil
	}
	w.left = len(entries)
	p.sink.submit(b, entries)
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	p.sink.withdraw(b)
	return w.result(ctx)
}

// waiter gathers the answers to one Publish. It waits for all of them, because a stream that cannot be written to is no reason to send what
// goes to others twice.
type waiter struct {
	done chan struct{} // closed when all answers are in

	mu   sync.Mutex
	sent []bool // guarded by mu until result has returned
	left int    // guarded by mu
	err  error  // the first one; guarded by mu
	over bool   // guarded by mu
}

func (w *waiter) finish(from, to int, _ int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	for i := from; i < to && err == nil; i++ {
		w.sent[i] = true
	}
	if err != nil && w.err == nil {
		w.err = err
	}
	if w.left -= to - from; w.left == 0 {
		w.over = true
		close(w.done)
	}
}

// result is final: answers that come later are ignored.
func (w *waiter) result(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	over := w.over
	w.over = true
	switch {
	case w.err != nil:
		return w.err
	case !over:
		return ctx.Err()
	}
	return nil
}

// Stats are the counters of each stream.
func (p *Publisher) Stats() []Stats { return p.sink.stats() }

// Close lets open calls end for up to two seconds and gives the others up.
func (p *Publisher) Close() error {
	p.once.Do(func() { close(p.closed) })
	p.sink.close()
	return nil
}
