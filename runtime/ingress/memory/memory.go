// Package memory is an ingress in memory that keeps the rules of a partitioned log: partitions that
// appear, end and have children, history that is truncated, errors of single partitions. It is the
// twin that tests and the simulation read from, and what conformance is measured by.
package memory

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

// maxRecords is how many records Read puts in one batch at most.
const maxRecords = 64

// Options describe a log.
type Options struct {
	Router ingress.Router
	// Refused makes a record for an egress of one that Router refuses; nil holds the partition there.
	Refused func(rec ingress.Record, why error) core.EgressRecord
	// Latest: a first start without known positions begins after the records there are.
	Latest bool
}

// Log is the outside world: it outlives the ingresses that read it. Safe for concurrent use.
type Log struct {
	opts Options

	mu        sync.Mutex
	parts     map[string]*partition // guarded by mu
	order     []string              // guarded by mu: of creation
	committed map[string][]byte     // guarded by mu
	through   core.CheckpointID     // guarded by mu
	changed   chan struct{}         // guarded by mu: closed and replaced when anything changes
}

type partition struct {
	parents []string
	first   int64 // offset of records[0]
	records []ingress.Record
	ended   bool
	err     error
}

// NewLog makes a log without partitions.
func NewLog(opts Options) *Log {
	return &Log{
		opts: opts, parts: map[string]*partition{}, committed: map[string][]byte{}, changed: make(chan struct{}),
	}
}

// AddPartition makes a partition, which is read once all of its parents' ends have committed.
func (l *Log) AddPartition(id string, parents ...string) {
	l.change(func() {
		l.parts[id] = &partition{parents: parents}
		l.order = append(l.order, id)
	})
}

// Append adds records to a partition.
func (l *Log) Append(id string, recs ...ingress.Record) {
	l.change(func() { l.parts[id].records = append(l.parts[id].records, recs...) })
}

// End ends a partition.
func (l *Log) End(id string) { l.change(func() { l.parts[id].ended = true }) }

// Forget takes an ended partition from the list, as a stream does when its history has expired.
func (l *Log) Forget(id string) {
	l.change(func() {
		delete(l.parts, id)
		l.order = slices.DeleteFunc(l.order, func(o string) bool { return o == id })
	})
}

// Truncate drops the records below offset.
func (l *Log) Truncate(id string, offset int64) {
	l.change(func() {
		p := l.parts[id]
		drop := min(max(offset-p.first, 0), int64(len(p.records)))
		p.records, p.first = p.records[drop:], p.first+drop
	})
}

// Fail makes every read of the partition fail with err until Fail is called with nil.
func (l *Log) Fail(id string, err error) { l.change(func() { l.parts[id].err = err }) }

// Committed is the newest checkpoint that was reported, and the positions reported until then.
func (l *Log) Committed() (core.CheckpointID, map[string][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	positions := make(map[string][]byte, len(l.committed))
	for id, p := range l.committed {
		positions[id] = p
	}
	return l.through, positions
}

func (l *Log) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

// Position is the position at an offset.
func Position(offset int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(offset)) //nolint:gosec // not negative
}

// Offset reads a position.
func Offset(position []byte) (int64, error) {
	if len(position) != 8 || position[0] >= 0x80 {
		return 0, fmt.Errorf("position %x is not one of a memory log: %w", position, ingress.ErrHeld)
	}
	return int64(binary.BigEndian.Uint64(position)), nil //nolint:gosec // checked above
}

// Fetch makes the batch of up to limit records at position, without waiting: an empty one if there is
// nothing yet. The simulation, which has no goroutines, calls it in place of Read.
func (l *Log) Fetch(id string, position []byte, limit int) (ingress.Batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fetchLocked(id, position, limit)
}

func (l *Log) fetchLocked(id string, position []byte, limit int) (ingress.Batch, error) {
	at, err := Offset(position)
	if err != nil {
		return ingress.Batch{}, err
	}
	p := l.parts[id]
	switch {
	case p == nil:
		return ingress.Batch{}, fmt.Errorf("partition %s is gone: %w", id, ingress.ErrTruncated)
	case p.err != nil:
		return ingress.Batch{}, p.err
	case at < p.first:
		return ingress.Batch{}, fmt.Errorf("partition %s at %d: history begins at %d: %w", id, at, p.first, ingress.ErrTruncated)
	case at > p.first+int64(len(p.records)):
		return ingress.Batch{}, fmt.Errorf("partition %s at %d: it ends at %d: %w", id, at, p.first+int64(len(p.records)), ingress.ErrHeld)
	}
	recs := p.records[at-p.first:]
	if len(recs) == 0 && p.ended {
		return ingress.Batch{}, fmt.Errorf("partition %s: %w", id, ingress.ErrEnded)
	}
	recs = recs[:min(limit, len(recs))]
	b := ingress.Batch{Position: Position(at + int64(len(recs)))}
	for i, r := range recs {
		b.Messages, err = l.opts.Router(r, b.Messages)
		if err != nil && l.opts.Refused != nil {
			b.Records = append(b.Records, l.opts.Refused(r, err))
			continue
		}
		if err != nil {
			return ingress.Batch{}, fmt.Errorf("partition %s at %d: %w: %w", id, at+int64(i), ingress.ErrHeld, err)
		}
	}
	return b, nil
}

// Ingress reads a Log.
type Ingress struct {
	log *Log
}

// Open makes an ingress that reads l.
func Open(l *Log) *Ingress { return &Ingress{log: l} }

// Partitions lists the partitions that may be read, and tombstones.
func (g *Ingress) Partitions(ctx context.Context, known []ingress.Partition) ([]ingress.Partition, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.log.mu.Lock()
	defer g.log.mu.Unlock()
	var parts []ingress.Partition
	for _, id := range g.log.order {
		i := slices.IndexFunc(known, func(k ingress.Partition) bool { return k.ID == id })
		if i >= 0 {
			parts = append(parts, known[i])
			continue
		}
		p := g.log.parts[id]
		if !g.log.parentsEnded(p, known) {
			continue
		}
		start := p.first
		if g.log.opts.Latest && len(known) == 0 {
			start += int64(len(p.records))
		}
		parts = append(parts, ingress.Partition{ID: id, Position: Position(start)})
	}
	return parts, nil
}

// parentsEnded reports whether the ends of all parents that the log still lists are known.
func (l *Log) parentsEnded(p *partition, known []ingress.Partition) bool {
	return !slices.ContainsFunc(p.parents, func(parent string) bool {
		ended := slices.ContainsFunc(known, func(k ingress.Partition) bool { return k.ID == parent && k.Ended })
		return l.parts[parent] != nil && !ended
	})
}

// Read hands over records as they are appended.
func (g *Ingress) Read(ctx context.Context, part ingress.Partition, sink ingress.Sink) error {
	position := part.Position
	for {
		g.log.mu.Lock()
		b, err := g.log.fetchLocked(part.ID, position, maxRecords)
		changed := g.log.changed
		g.log.mu.Unlock()
		if err := errors.Join(ctx.Err(), err); err != nil {
			return err
		}
		if string(b.Position) == string(position) {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := sink.Put(ctx, b); err != nil {
			return err
		}
		position = b.Position
	}
}

// Committed notes what was reported.
func (g *Ingress) Committed(n core.CheckpointID, positions map[string][]byte) {
	g.log.mu.Lock()
	defer g.log.mu.Unlock()
	g.log.through = max(g.log.through, n)
	for id, p := range positions {
		g.log.committed[id] = slices.Clone(p)
	}
}

// Close does nothing: the log stays.
func (g *Ingress) Close() error { return nil }
