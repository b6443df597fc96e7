package kinesis

import (
	"fmt"

	"github.com/stateway/stateway/runtime/egress"
)

// Emitter is the at-least-once form. Its ids, where an envelope carries them, are unique to the emission.
type Emitter struct {
	renderer
	sink   *sink
	window *egress.Window
}

// OpenEmitter checks the options. Nothing is asked of Kinesis before the first record comes.
func OpenEmitter(opts Options) (*Emitter, error) {
	opts, err := opts.prepare(EnvelopeNone)
	if err != nil {
		return nil, err
	}
	return &Emitter{renderer: newRenderer(opts), sink: newSink(opts), window: egress.NewWindow(opts.Lanes, opts.Records, opts.Bytes)}, nil
}

// Emit queues records for as far as the lane's window has room. They are done when Kinesis has taken them. If a stream cannot be
// written to, all its records come back with that error, also those that wait.
func (e *Emitter) Emit(lane int, recs []egress.Record, done egress.Done) int {
	n := e.window.Reserve(lane, recs)
	if n == 0 {
		return 0
	}
	b := &batch{finish: func(from, to int, size int64, err error) {
		e.window.Release(lane, to-from, size)
		done(from, to, err)
	}}
	all := make([]entry, n)
	entries := make([]*entry, 0, n)
	for i := range all {
		x, rec := &all[i], &recs[i]
		x.batch, x.index = b, i
		id := ""
		if e.opts.Envelope != EnvelopeNone {
			id = rec.EmissionID(e.opts.Application)
		}
		if err := e.render(rec, id, x); err != nil { // Validate let it through under another module
			b.finish(i, i+1, egress.WindowSize(rec), fmt.Errorf("kinesis egress %s: %w: %w", e.opts.Name, egress.ErrRefused, err))
			continue
		}
		entries = append(entries, x)
	}
	e.sink.submit(b, entries)
	return n
}

// Stats are the counters of each stream.
func (e *Emitter) Stats() []Stats { return e.sink.stats() }

// Close lets open calls end for up to two seconds, and answers all else with ErrClosed.
func (e *Emitter) Close() error {
	e.sink.close()
	return nil
}
