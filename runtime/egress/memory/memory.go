// Package memory holds egresses in memory that keep the rules: the twins that tests and the simulation
// write to. A World is the outside, and outlives the egresses that are opened on it.
package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

// ErrFenced means that a later process has asked Published for the lane.
var ErrFenced = errors.New("fenced by a later publisher")

// World is what has arrived outside. Safe for concurrent use.
type World struct {
	mu     sync.Mutex
	recs   []egress.Record // guarded by mu
	lanes  []worldLane     // guarded by mu
	fail   error           // guarded by mu
	answer error           // guarded by mu
}

type worldLane struct {
	published core.CheckpointID
	owner     *Publisher
}

// NewWorld makes an empty outside with so many publisher lanes.
func NewWorld(lanes int) *World { return &World{lanes: make([]worldLane, lanes)} }

// Records are copies of all records outside, in the order of arrival.
func (w *World) Records() []egress.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.recs)
}

// Fail makes every write fail without effect until Fail is called with nil.
func (w *World) Fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

// LoseAnswers makes every write succeed but answer err, until called with nil.
func (w *World) LoseAnswers(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = err
}

func (w *World) appendLocked(recs []egress.Record) {
	for _, r := range recs {
		r.Value = slices.Clone(r.Value)
		w.recs = append(w.recs, r)
	}
}

func validate(typename string, value []byte) error {
	_, err := egress.Normalise(typename, value)
	return err
}

// Emitter writes to a World at least once. It has no goroutine: records are done in Emit or, if it holds, in
// Finish.
type Emitter struct {
	world *World
	hold  bool
	limit int

	mu     sync.Mutex
	open   []held // guarded by mu
	lanes  map[int]int
	closed bool
}

type held struct {
	lane  int
	rec   egress.Record
	done  egress.Done
	index int
}

// OpenEmitter makes an emitter whose records are done at once.
func OpenEmitter(w *World) *Emitter { return &Emitter{world: w, lanes: map[int]int{}} }

// OpenHolding makes an emitter whose records are done in Finish, and up to limit open in each lane.
func OpenHolding(w *World, limit int) *Emitter {
	return &Emitter{world: w, hold: true, limit: max(limit, 1), lanes: map[int]int{}}
}

// Validate refuses records of the SDKs' egress types that cannot be read.
func (e *Emitter) Validate(typename string, value []byte) error { return validate(typename, value) }

// Emit takes all records, or as many as the limit leaves room for.
func (e *Emitter) Emit(lane int, recs []egress.Record, done egress.Done) int {
	if !e.hold {
		if len(recs) > 0 {
			done(0, len(recs), e.write(recs))
		}
		return len(recs)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	n := min(len(recs), e.limit-e.lanes[lane])
	e.lanes[lane] += n
	for i, r := range recs[:n] {
		e.open = append(e.open, held{lane: lane, rec: r, done: done, index: i})
	}
	return n
}

func (e *Emitter) write(recs []egress.Record) error {
	w := e.world
	w.mu.Lock()
	defer w.mu.Unlock()
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	switch {
	case closed:
		return egress.ErrClosed
	case w.fail != nil:
		return w.fail
	}
	w.appendLocked(recs)
	return w.answer
}

// Finish writes up to n of the records held, oldest first, and says that they are done. It returns
// how many there were.
func (e *Emitter) Finish(n int) int {
	for i := range n {
		h, ok := e.next()
		if !ok {
			return i
		}
		h.done(h.index, h.index+1, e.write([]egress.Record{h.rec}))
	}
	return n
}

func (e *Emitter) next() (held, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.open) == 0 {
		return held{}, false
	}
	h := e.open[0]
	e.open = e.open[1:]
	e.lanes[h.lane]--
	return h, true
}

// Close answers the records held with ErrClosed.
func (e *Emitter) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	for {
		h, ok := e.next()
		if !ok {
			return nil
		}
		h.done(h.index, h.index+1, egress.ErrClosed)
	}
}

// Publisher writes checkpoints to a World exactly once.
type Publisher struct {
	world *World
}

// OpenPublisher makes a publisher.
func OpenPublisher(w *World) *Publisher { return &Publisher{world: w} }

// Validate refuses records of the SDKs' egress types that cannot be read.
func (p *Publisher) Validate(typename string, value []byte) error { return validate(typename, value) }

// Lanes is the number of lanes of the World.
func (p *Publisher) Lanes() int { return len(p.world.lanes) }

// Published fences the publishers before this one.
func (p *Publisher) Published(ctx context.Context, lane int) (core.CheckpointID, error) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if err := errors.Join(ctx.Err(), p.world.fail); err != nil {
		return 0, err
	}
	if lane < 0 || lane >= len(p.world.lanes) {
		return 0, fmt.Errorf("lane %d of %d", lane, len(p.world.lanes))
	}
	l := &p.world.lanes[lane]
	l.owner = p
	return l.published, nil
}

// Publish appends the records, unless checkpoint n is already published.
func (p *Publisher) Publish(ctx context.Context, lane int, n core.CheckpointID, recs []egress.Record) error {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(ctx.Err(), w.fail); err != nil {
		return err
	}
	l := &w.lanes[lane]
	if l.owner != p {
		return fmt.Errorf("lane %d: publish checkpoint %d: %w", lane, n, ErrFenced)
	}
	if n <= l.published || len(recs) == 0 {
		return nil
	}
	w.appendLocked(recs)
	l.published = n
	if w.answer != nil {
		l.owner = nil // until Published is asked
	}
	return w.answer
}

// Close gives the lanes up.
func (p *Publisher) Close() error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	for i := range p.world.lanes {
		if p.world.lanes[i].owner == p {
			p.world.lanes[i].owner = nil
		}
	}
	return nil
}
