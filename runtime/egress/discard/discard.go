// Package discard is the egress kind io.stateway.discard.v1/egress: it counts records and drops them, and keeps a histogram
// of the age of timestamps, which is what a bench needs.
//
// Always true: a record is done when Emit returns; nothing is kept of it.
package discard

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/runtime/egress"
)

// Options describe a discard egress.
type Options struct {
	// Lanes is how many workers emit. Zero means 1.
	Lanes int
	// Now is the clock by which ages are taken. Nil means time.Now.
	Now func() time.Time
}

// Egress counts. Each lane writes counters of its own, so that workers do not meet.
type Egress struct {
	now   func() time.Time
	lanes []*lane
}

type lane struct {
	records atomic.Uint64
	bytes   atomic.Uint64
	ages    histogram
}

// Open makes an egress that counts from zero.
func Open(opts Options) (*Egress, error) {
	if opts.Lanes < 0 {
		return nil, fmt.Errorf("discard egress: Lanes is below zero: %d", opts.Lanes)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	e := &Egress{now: opts.Now, lanes: make([]*lane, max(opts.Lanes, 1))}
	for i := range e.lanes {
		e.lanes[i] = new(lane)
	}
	return e, nil
}

// Validate refuses records of the SDKs' egress types that cannot be read.
func (e *Egress) Validate(typename string, value []byte) error {
	switch typename {
	case egress.TypeKafkaRecord, egress.TypeKinesisRecord, egress.TypePlaygroundRecord:
		_, err := egress.Normalise(typename, value)
		return err
	}
	return nil
}

// Emit counts all records; a value of type io.statefun.types/long counts as Unix nanoseconds, whose age is noted.
func (e *Egress) Emit(lane int, recs []egress.Record, done egress.Done) int {
	if len(recs) == 0 {
		return 0
	}
	l := e.lanes[lane]
	var bytes uint64
	var now int64
	for i := range recs {
		r := &recs[i]
		bytes += uint64(len(r.Value))
		if r.Typename != egress.TypeLong {
			continue
		}
		if at, ok := egress.Long(r.Value); ok {
			if now == 0 {
				now = e.now().UnixNano()
			}
			l.ages.add(now - at)
		}
	}
	l.records.Add(uint64(len(recs)))
	l.bytes.Add(bytes)
	done(0, len(recs), nil)
	return len(recs)
}

// Close does nothing.
func (e *Egress) Close() error { return nil }

// Snapshot is what was counted since Open, over all lanes.
type Snapshot struct {
	Records uint64
	Bytes   uint64 // of the values
	Ages    Ages   // of timestamps
}

// Snapshot reads the counters. Lanes that emit at the same time may be seen partly.
func (e *Egress) Snapshot() Snapshot {
	var s Snapshot
	for _, l := range e.lanes {
		s.Records += l.records.Load()
		s.Bytes += l.bytes.Load()
		s.Ages.merge(&l.ages)
	}
	return s
}
