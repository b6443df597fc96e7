package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

// egressDriver hands the core's records to an egress and tells the core which are done.
type egressDriver interface {
	validate(typename string, value core.Value) error
	emit(l *workerLoop, e core.Emit)
	end(w core.WorkerID, n core.CheckpointID) // every record of w up to checkpoint n was emitted
	outstanding() (left, total int)           // records that are not done, and all that ever came
	close()
}

const (
	egressPause = time.Second // until a record that failed is emitted again
	// refusedPause is that time for a record which the outside refuses for good: only an operator can change that, as with a stream's largest
	// record, and meanwhile the record is of no use to others.
	refusedPause = time.Minute
)

// failuresEvery is the shortest time, in milliseconds, between two log lines about records that an egress did not take, or about an ingress
// that cannot list its partitions.
const failuresEvery core.Millis = 10_000

// mostOffered is how many records are offered to an egress at a time. An egress that has little room takes a few of them, again and again: were
// all that wait made ready each time, a long queue would cost its square.
const mostOffered = 256

// openEgresses opens all egresses and makes their drivers.
func (g *generation) openEgresses(ctx context.Context) error {
	for i, e := range g.node.cfg.Parts.Egresses {
		out, err := e.Open(g.node.app.ID, g.node.cfg.Workers)
		if err != nil {
			return fmt.Errorf("open egress %s: %w", e.Core.Name, err)
		}
		id := core.EgressID(i) //nolint:gosec // a short list
		common := egressCommon{gen: g, id: id, name: e.Core.Name}
		switch out := out.(type) {
		case egress.Emitter:
			g.egresses = append(g.egresses, newEmitter(common, out))
		case egress.Publisher:
			p := newPublisher(common, out)
			g.egresses = append(g.egresses, p)
			g.goTask(func() { p.run(ctx) })
		default:
			return fmt.Errorf("egress %s is neither an Emitter nor a Publisher", e.Core.Name)
		}
	}
	return nil
}

func (g *generation) emitEnd(w core.WorkerID, n core.CheckpointID) {
	for _, e := range g.egresses {
		e.end(w, n)
	}
}

// egressCommon is what both kinds of drivers have.
type egressCommon struct {
	gen  *generation
	id   core.EgressID
	name string
}

// record makes what an egress sees of an outbox record.
func (c *egressCommon) record(r *core.OutRecord) (egress.Record, error) {
	typename, value, err := splitValue(r.Arg)
	if err != nil {
		return egress.Record{}, fmt.Errorf("record %d-%d of shard %d for egress %s: %w", r.Key.Epoch, r.Key.Seq, r.Shard, c.name, err)
	}
	return egress.Record{
		Shard: r.Shard, Key: r.Key, Generation: c.gen.id,
		Typename: typename, Value: value, Trace: r.Trace,
	}, nil
}

func splitValue(v core.Value) (typename string, value []byte, err error) {
	tv, err := wire.ParseTypedValue(v)
	if err != nil {
		return "", nil, err
	}
	return string(tv.Typename), tv.Value, nil
}

// emitter drives an at-least-once egress: a lane per worker.
type emitter struct {
	egressCommon
	out   egress.Emitter
	lanes []*lane

	mu     sync.Mutex
	said   core.Millis // when failures were logged last; guarded by mu
	failed int         // records that failed since; guarded by mu
}

// lane is what one worker has for an egress.
type lane struct {
	mu      sync.Mutex
	worker  *workerLoop
	waiting []*core.OutRecord // the egress had no room for; guarded by mu
	left    int               // records that are not done; guarded by mu
	total   int               // records ever; guarded by mu
	busy    bool              // somebody emits; guarded by mu
	closed  bool              // guarded by mu
	missed  bool              // while somebody emits: there may be room, or a record more; guarded by mu

	offered []egress.Record // memory of whoever emits
}

func newEmitter(c egressCommon, out egress.Emitter) *emitter {
	e := &emitter{egressCommon: c, out: out}
	for range c.gen.node.cfg.Workers {
		e.lanes = append(e.lanes, &lane{})
	}
	return e
}

func (e *emitter) validate(typename string, value core.Value) error {
	return validateFor(e.out, typename, value)
}

func validateFor(out egress.Egress, typename string, value core.Value) error {
	_, payload, err := splitValue(value)
	if err != nil {
		return err
	}
	return out.Validate(typename, payload)
}

func (e *emitter) end(core.WorkerID, core.CheckpointID) {}

func (e *emitter) outstanding() (left, total int) {
	for _, ln := range e.lanes {
		ln.mu.Lock()
		left += ln.left
		total += ln.total
		ln.mu.Unlock()
	}
	return left, total
}

func (e *emitter) emit(l *workerLoop, ev core.Emit) {
	ln := e.lanes[l.id]
	ln.mu.Lock()
	if ln.worker == nil { // others read it without mu from then on
		ln.worker = l
	}
	if len(ln.waiting) == 0 {
		ln.waiting = ev.Records[:len(ev.Records):len(ev.Records)]
	} else {
		ln.waiting = append(ln.waiting, ev.Records...)
	}
	ln.left += len(ev.Records)
	ln.total += len(ev.Records)
	ln.mu.Unlock()
	e.pump(ln)
}

// pump offers what waits to the egress, until it has no room. One goroutine at a time does so in a lane.
func (e *emitter) pump(ln *lane) {
	for {
		ln.mu.Lock()
		if ln.busy || ln.closed || len(ln.waiting) == 0 {
			ln.mu.Unlock()
			return
		}
		ln.busy, ln.missed = true, false
		batch := ln.waiting
		ln.waiting = nil
		ln.mu.Unlock()

		taken := e.offer(ln, batch[:min(len(batch), mostOffered)])

		ln.mu.Lock()
		ln.busy = false
		ln.waiting = append(batch[taken:len(batch):len(batch)], ln.waiting...)
		full := taken == 0 && !ln.missed
		ln.mu.Unlock()
		if full {
			return
		}
	}
}

// offer hands records to the egress and returns how many it took.
func (e *emitter) offer(ln *lane, batch []*core.OutRecord) int {
	recs := ln.offered[:0]
	for _, r := range batch {
		rec, err := e.record(r)
		if err != nil {
			e.gen.fail(err)
			return 0
		}
		recs = append(recs, rec)
	}
	taken := e.out.Emit(int(ln.worker.id), recs, func(from, to int, err error) {
		e.done(ln, batch[from:to], err)
	})
	clear(recs)
	ln.offered = recs
	return taken
}

func (e *emitter) done(ln *lane, records []*core.OutRecord, err error) {
	if err == nil {
		ln.worker.inbox.put(core.EgressDone{Records: records})
		ln.mu.Lock()
		ln.left -= len(records)
		ln.mu.Unlock()
		e.again(ln)
		return
	}
	if e.isClosed(ln) {
		return
	}
	e.sayFailed(len(records), err)
	pause := egressPause
	if errors.Is(err, egress.ErrRefused) {
		pause = refusedPause
	}
	time.AfterFunc(pause, func() {
		ln.mu.Lock()
		ln.waiting = append(slices.Clone(records), ln.waiting...)
		ln.missed = true
		ln.mu.Unlock()
		e.pump(ln)
	})
}

// sayFailed logs that records are tried again, once every failuresEvery: each batch fails by itself, many in a second.
func (e *emitter) sayFailed(records int, err error) {
	now := e.gen.now()
	e.mu.Lock()
	e.failed += records
	records = e.failed
	quiet := e.said != 0 && now < e.said+failuresEvery
	if !quiet {
		e.said, e.failed = now, 0
	}
	e.mu.Unlock()
	if !quiet {
		e.gen.log.Warn("egress: tried again after a pause", "egress", e.name, "records", records, "error", err)
	}
}

// again offers what waits, now that the egress may have room.
func (e *emitter) again(ln *lane) {
	ln.mu.Lock()
	ln.missed = true
	waits := len(ln.waiting) > 0 && !ln.busy
	ln.mu.Unlock()
	if waits {
		e.pump(ln)
	}
}

func (e *emitter) isClosed(ln *lane) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.closed
}

func (e *emitter) close() {
	for _, ln := range e.lanes {
		ln.mu.Lock()
		ln.closed = true
		ln.waiting = nil
		ln.mu.Unlock()
	}
	if err := e.out.Close(); err != nil {
		e.gen.log.Warn("close an egress", "egress", e.name, "error", err)
	}
}

// publisher drives an after-commit egress: a checkpoint goes out when every worker has handed over its records of it.
type publisher struct {
	egressCommon
	out egress.Publisher

	mu      sync.Mutex
	records map[core.CheckpointID][]*core.OutRecord // guarded by mu
	left    int                                     // records that are not done; guarded by mu
	total   int                                     // records ever; guarded by mu
	ends    []core.CheckpointID                     // by WorkerID; guarded by mu
	wake    chan struct{}
}

func newPublisher(c egressCommon, out egress.Publisher) *publisher {
	p := &publisher{
		egressCommon: c, out: out, wake: make(chan struct{}, 1),
		records: map[core.CheckpointID][]*core.OutRecord{},
		ends:    make([]core.CheckpointID, c.gen.node.cfg.Workers),
	}
	for w := range p.ends {
		if !slices.Contains(c.gen.owners, core.WorkerID(w)) { //nolint:gosec // few
			p.ends[w] = math.MaxUint64 // it has no shard, so it never has a record
		}
	}
	return p
}

func (p *publisher) validate(typename string, value core.Value) error {
	return validateFor(p.out, typename, value)
}

func (p *publisher) emit(_ *workerLoop, e core.Emit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records[e.Checkpoint] = append(p.records[e.Checkpoint], e.Records...)
	p.left += len(e.Records)
	p.total += len(e.Records)
}

func (p *publisher) outstanding() (left, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left, p.total
}

func (p *publisher) end(w core.WorkerID, n core.CheckpointID) {
	p.mu.Lock()
	p.ends[w] = max(p.ends[w], n)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// take returns the records of the oldest checkpoint that all workers have handed over.
func (p *publisher) take() (core.CheckpointID, []*core.OutRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	whole := slices.Min(p.ends)
	first := core.CheckpointID(0)
	for n := range p.records {
		if n <= whole && (first == 0 || n < first) {
			first = n
		}
	}
	records := p.records[first]
	delete(p.records, first)
	return first, records
}

// run publishes checkpoint after checkpoint until ctx ends.
func (p *publisher) run(ctx context.Context) {
	published := make([]core.CheckpointID, p.out.Lanes())
	for lane := range published {
		if !p.askPublished(ctx, lane, published) {
			return
		}
	}
	for {
		n, records := p.take()
		if n == 0 {
			select {
			case <-ctx.Done():
				return
			case <-p.wake:
			}
			continue
		}
		if !p.publish(ctx, n, records, published) {
			return
		}
		p.done(records)
	}
}

func (p *publisher) askPublished(ctx context.Context, lane int, published []core.CheckpointID) bool {
	for attempt := 0; ; attempt++ {
		n, err := p.out.Published(ctx, lane)
		if last := p.gen.coordinator.committedState().Checkpoint; err == nil && n > last {
			p.gen.fail(fmt.Errorf("egress %s has published checkpoint %d, but the bucket's last is %d: the bucket was put back, "+
				"and records would be lost; use the newer bucket, or another egress", p.name, n, last))
			return false
		}
		if err == nil {
			published[lane] = n
			return true
		}
		p.gen.log.Warn("egress: which checkpoint was published last is not known yet", "egress", p.name, "error", err)
		if !sleep(ctx, backoff(attempt)) {
			return false
		}
	}
}

// publish publishes the records of a checkpoint in every lane, however often that takes.
func (p *publisher) publish(ctx context.Context, n core.CheckpointID, records []*core.OutRecord, published []core.CheckpointID) bool {
	slices.SortFunc(records, func(a, b *core.OutRecord) int {
		if a.Shard != b.Shard {
			return int(a.Shard) - int(b.Shard)
		}
		if a.Key.Less(b.Key) {
			return -1
		}
		return 1
	})
	lanes := make([][]egress.Record, len(published))
	for _, r := range records {
		rec, err := p.record(r)
		if err != nil {
			p.gen.fail(err)
			return false
		}
		lane := int(r.Shard) % len(lanes)
		lanes[lane] = append(lanes[lane], rec)
	}
	for lane, recs := range lanes {
		for attempt := 0; len(recs) > 0 && published[lane] < n; attempt++ { //nolint:gosec // there are as many lanes
			err := p.out.Publish(ctx, lane, n, recs)
			if err == nil {
				published[lane] = n //nolint:gosec // there are as many lanes
				break
			}
			p.gen.log.Warn("egress: publish a checkpoint", "egress", p.name, "checkpoint", n, "error", err)
			if !sleep(ctx, backoff(attempt)) || !p.askPublished(ctx, lane, published) {
				return false
			}
		}
	}
	return true
}

// done tells the workers that their records are out.
func (p *publisher) done(records []*core.OutRecord) {
	byWorker := make([][]*core.OutRecord, len(p.gen.workers))
	for _, r := range records {
		w := p.gen.owners[r.Shard]
		byWorker[w] = append(byWorker[w], r)
	}
	for w, recs := range byWorker {
		if len(recs) > 0 {
			p.gen.workers[w].inbox.put(core.EgressDone{Records: recs})
		}
	}
	p.mu.Lock()
	p.left -= len(records)
	p.mu.Unlock()
}

func (p *publisher) close() {
	if err := p.out.Close(); err != nil {
		p.gen.log.Warn("close an egress", "egress", p.name, "error", err)
	}
}
