package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

const (
	heldPause      = 30 * time.Second // until a partition that waits for an operator is tried again
	discoveryEvery = 10 * time.Second
)

// ingressDriver reads the partitions of all ingresses.
type ingressDriver struct {
	gen     *generation
	sources []*source
	reading sync.WaitGroup
	cancel  context.CancelFunc

	shortage shortage

	mu    sync.Mutex
	sinks []*partitionSink // by PartitionID less one; guarded by mu
	next  int              // worker of the next partition; guarded by mu
}

// source is one ingress with its partitions.
type source struct {
	id      string
	driver  *ingressDriver
	in      *watched
	running map[string]bool // partitions that are read or were ended; owned by discover
	again   chan struct{}   // of capacity 1: look for partitions now
	fresh   []string        // names of the partitions that were found last; owned by discover
	said    core.Millis     // when it was last logged that they cannot be listed; zero: not yet; owned by discover
	reading atomic.Bool     // partitions were found once
	ends    int             // partitions whose ends are committed; owned by committed
}

// positionName is the name under which a manifest keeps a partition's position.
func positionName(ingressID, partition string) string { return ingressID + " " + partition }

// encodePosition is a position as a manifest keeps it: whether the partition has ended, then the driver's bytes.
func encodePosition(ended bool, at []byte) []byte {
	flag := byte(0)
	if ended {
		flag = 1
	}
	return append([]byte{flag}, at...)
}

// known are the partitions of an ingress that committed positions name.
func known(ingressID string, positions map[string][]byte) []ingress.Partition {
	var parts []ingress.Partition
	for _, name := range slices.Sorted(maps.Keys(positions)) {
		id, ok := strings.CutPrefix(name, ingressID+" ")
		if at := positions[name]; ok && len(at) > 0 {
			parts = append(parts, ingress.Partition{ID: id, Position: at[1:], Ended: at[0] == 1})
		}
	}
	return parts
}

// openIngresses opens all ingresses. The driver that comes with an error has those that were opened.
func (g *generation) openIngresses() (*ingressDriver, error) {
	d := &ingressDriver{gen: g, cancel: func() {}}
	for _, c := range g.node.cfg.Parts.Ingresses {
		in, err := c.Open()
		if err != nil {
			return d, fmt.Errorf("open ingress %s: %w", c.ID, err)
		}
		d.sources = append(d.sources, &source{
			id: c.ID, driver: d, in: watch(in), running: map[string]bool{}, again: make(chan struct{}, 1),
		})
	}
	return d, nil
}

// start begins to read.
func (d *ingressDriver) start(ctx context.Context) {
	ctx, d.cancel = context.WithCancel(ctx)
	for _, s := range d.sources {
		d.reading.Add(1)
		go func() {
			defer d.reading.Done()
			s.discover(ctx)
		}()
	}
}

// stopReading ends all reading and waits for it. What was put is the workers'.
func (d *ingressDriver) stopReading() {
	if d == nil {
		return
	}
	d.cancel()
	d.mu.Lock()
	for _, s := range d.sinks {
		s.close()
	}
	d.mu.Unlock()
	d.reading.Wait()
}

func (d *ingressDriver) close() {
	for _, s := range d.sources {
		if err := s.in.Close(); err != nil {
			d.gen.log.Warn("close an ingress", "ingress", s.id, "error", err)
		}
	}
}

// committed tells the drivers which positions a checkpoint holds.
func (d *ingressDriver) committed(n core.CheckpointID, positions map[string][]byte) {
	if d == nil {
		return
	}
	for _, s := range d.sources {
		at := map[string][]byte{}
		ends := 0
		for _, p := range known(s.id, positions) {
			at[p.ID] = p.Position
			if p.Ended {
				ends++
			}
		}
		s.in.Committed(n, at)
		if ends > s.ends {
			s.lookAgain() // there may be children now
		}
		s.ends = ends
	}
}

func (s *source) lookAgain() {
	select {
	case s.again <- struct{}{}:
	default:
	}
}

// isReading reports whether every ingress has found its partitions.
func (d *ingressDriver) isReading() bool {
	if d == nil {
		return false
	}
	for _, s := range d.sources {
		if !s.reading.Load() {
			return false
		}
	}
	return true
}

// discover looks for partitions now and then, and reads those it finds.
func (s *source) discover(ctx context.Context) {
	g := s.driver.gen
	for attempt := 0; ctx.Err() == nil; {
		if !s.allFixed(ctx) {
			return
		}
		parts, err := s.in.Partitions(ctx, known(s.id, g.coordinator.committedState().Positions))
		if ctx.Err() != nil {
			return // a call cut short at the end says nothing about partitions
		}
		if err != nil {
			s.sayUnlisted(err)
			attempt++
			if !sleep(ctx, backoff(attempt)) {
				return
			}
			continue
		}
		attempt = 0
		if !s.begin(ctx, parts) {
			return
		}
		s.reading.Store(true)
		g.checkReady()
		select {
		case <-ctx.Done():
			return
		case <-s.again:
		case <-time.After(discoveryEvery):
		}
	}
}

// sayUnlisted logs that partitions cannot be listed, once every failuresEvery: the first tries follow each other closely.
func (s *source) sayUnlisted(err error) {
	g := s.driver.gen
	now := g.now()
	if s.said != 0 && now < s.said+failuresEvery {
		return
	}
	s.said = now
	g.log.Warn("ingress: its partitions cannot be listed yet", "ingress", s.id, "error", err)
}

// begin reads the partitions that are not read yet. The absolute start of new ones is committed before.
func (s *source) begin(ctx context.Context, parts []ingress.Partition) bool {
	g := s.driver.gen
	committed := g.coordinator.committedState().Positions
	g.coordinator.forget(s.id, s.missing(known(s.id, committed), parts))
	s.fresh = nil
	for _, p := range parts {
		if s.running[p.ID] {
			continue
		}
		s.running[p.ID] = true
		if p.Ended {
			continue
		}
		sink := s.driver.newSink(s, p, len(parts))
		if _, fixed := committed[sink.name]; !p.Volatile && !fixed {
			s.fresh = append(s.fresh, sink.name)
			sink.worker.inbox.put(core.Records{Partition: sink.id, Name: sink.name, Position: encodePosition(false, p.Position)})
		}
		s.driver.reading.Add(1)
		go func() {
			defer s.driver.reading.Done()
			if !p.Volatile && !s.fixed(ctx, sink.name) {
				return
			}
			s.read(ctx, p, sink)
		}()
	}
	if len(s.fresh) > 0 {
		g.wantSoon()
	}
	return ctx.Err() == nil
}

// missing names the known partitions that are not among parts. One that is being read is left alone until it has ended.
func (s *source) missing(known, parts []ingress.Partition) []string {
	var names []string
	for _, k := range known {
		listed := slices.ContainsFunc(parts, func(p ingress.Partition) bool { return p.ID == k.ID })
		if listed || (s.running[k.ID] && !k.Ended) {
			continue
		}
		delete(s.running, k.ID)
		names = append(names, positionName(s.id, k.ID))
	}
	return names
}

// allFixed waits until a checkpoint holds where each partition begins that was found last. An ingress that is asked before, and begins with
// what comes from now on, would begin a second time: at another time, and with children of what is not read to its end.
func (s *source) allFixed(ctx context.Context) bool {
	for _, name := range s.fresh {
		if !s.fixed(ctx, name) {
			return false
		}
	}
	return true
}

// fixed waits until a checkpoint holds a position of the partition.
func (s *source) fixed(ctx context.Context, name string) bool {
	for {
		if _, ok := s.driver.gen.coordinator.committedState().Positions[name]; ok {
			return true
		}
		if !sleep(ctx, time.Millisecond) {
			return false
		}
	}
}

// read reads one partition until it ends or reading stops.
func (s *source) read(ctx context.Context, p ingress.Partition, sink *partitionSink) {
	g := s.driver.gen
	for attempt := 0; ; attempt++ {
		began := time.Now()
		err := s.in.Read(ctx, p, sink)
		if ctx.Err() != nil {
			return
		}
		if at := sink.position(); at != nil {
			p.Position = at
		}
		if errors.Is(err, ingress.ErrEnded) {
			sink.end(p.Position)
			return
		}
		if time.Since(began) > time.Minute {
			attempt = 0
		}
		pause := backoff(attempt)
		if errors.Is(err, ingress.ErrHeld) || errors.Is(err, ingress.ErrTruncated) {
			pause = heldPause
		}
		g.log.Error("ingress: a partition cannot be read; tried again after a pause",
			"ingress", s.id, "partition", p.ID, "pause", pause, "error", err)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// newSink makes the sink of a partition, one of so many, on the next worker in turn.
func (d *ingressDriver) newSink(s *source, p ingress.Partition, partitions int) *partitionSink {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.gen.workers[d.next%min(len(d.gen.workers), d.gen.node.app.Shards)] // one that owns shards
	d.next++
	sink := &partitionSink{
		gen: d.gen, name: positionName(s.id, p.ID), volatile: p.Volatile, worker: w,
		id:   core.PartitionID(len(d.sinks) + 1), //nolint:gosec // few
		pace: newPace(d.gen.node.partitionBudget(partitions), partitions),
		room: make(chan struct{}, 1),
		gone: make(chan struct{}),
	}
	d.sinks = append(d.sinks, sink)
	return sink
}

// credit gives a partition back what its messages used.
func (g *generation) credit(e core.Credit) {
	d := g.ingresses
	d.mu.Lock()
	sink := d.sinks[e.Partition-1]
	d.mu.Unlock()
	sink.refill(e.Bytes)
}

// creditShort has the workers look for what holds credit and gets nowhere, unless they were told to a moment ago.
func (g *generation) creditShort(now time.Time) {
	if g.ingresses.shortage.tell(now, g.demand().consumed) {
		g.broadcast(core.CreditShort{})
	}
}

// partitionSink takes one partition's batches to its worker.
type partitionSink struct {
	gen      *generation
	name     string
	id       core.PartitionID
	volatile bool
	worker   *workerLoop
	room     chan struct{} // of capacity 1: credit came back
	gone     chan struct{} // closed by close

	mu     sync.Mutex
	pace   pace   // guarded by mu
	at     []byte // behind the last batch; guarded by mu
	closed bool   // guarded by mu
}

// Put implements ingress.Sink.
func (s *partitionSink) Put(ctx context.Context, b ingress.Batch) error {
	size := int64(0)
	for _, m := range b.Messages {
		size += m.Size()
	}
	for i := range b.Records {
		if err := s.gen.checker.Egress(&b.Records[i]); err != nil {
			return fmt.Errorf("a record of partition %s: %w: %w", s.name, ingress.ErrUnfit, err)
		}
		size += int64(len(b.Records[i].Arg))
	}
	if err := s.take(ctx, size); err != nil {
		return err
	}
	s.number(b)
	rec := core.Records{Partition: s.id, Name: s.name, Messages: b.Messages, Egresses: b.Records}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Position != nil && !s.volatile {
		s.at = b.Position
		rec.Position = encodePosition(false, b.Position)
	}
	s.worker.inbox.put(rec)
	return nil
}

// take waits for credit and uses size of it, or all that there is and more.
func (s *partitionSink) take(ctx context.Context, size int64) error {
	taken, err := s.tryTake(size)
	if taken || err != nil {
		return err
	}
	again := time.NewTicker(paceEvery) // nothing may come back, and the workers starve
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.gone:
			return ingress.ErrStopped
		case <-s.room:
		case <-again.C:
		}
		if taken, err := s.tryTake(size); taken || err != nil {
			return err
		}
	}
}

// tryTake uses size of the credit if there is any.
func (s *partitionSink) tryTake(size int64) (bool, error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, ingress.ErrStopped
	}
	if !s.pace.open() {
		s.pace.blocked = true
		s.lookLocked(now)
	}
	if !s.pace.open() {
		return false, nil
	}
	s.pace.take(size)
	if s.pace.open() {
		s.signal() // another goroutine of a volatile partition may go on
	}
	return true, nil
}

// lookLocked sets the pace anew when it is time to.
func (s *partitionSink) lookLocked(now time.Time) {
	if s.pace.due(now) && s.pace.look(now, s.gen.demand()) {
		s.gen.creditShort(now)
	}
}

// number asks for word of each message's acceptance if somebody waits for the batch.
func (s *partitionSink) number(b ingress.Batch) {
	if b.Ack == nil {
		return
	}
	if len(b.Messages) == 0 {
		b.Ack(nil)
		return
	}
	n := s.gen.acks.add(len(b.Messages), b.Ack)
	for _, m := range b.Messages {
		m.Request = core.RequestID{Worker: s.worker.id, N: n}
	}
}

func (s *partitionSink) refill(n int64) {
	now := time.Now()
	s.mu.Lock()
	s.pace.used -= n
	s.pace.back += n
	s.lookLocked(now)
	enough := s.pace.open()
	s.mu.Unlock()
	if enough {
		s.signal()
	}
}

func (s *partitionSink) signal() {
	select {
	case s.room <- struct{}{}:
	default:
	}
}

func (s *partitionSink) position() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// end notes the partition's end in the epoch of its last batch or a later one.
func (s *partitionSink) end(at []byte) {
	s.worker.inbox.put(core.Records{Partition: s.id, Name: s.name, Position: encodePosition(true, at)})
}

func (s *partitionSink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.gone)
	}
}
