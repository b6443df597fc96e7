package shard

import (
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// compactions limits how many compactions all databases of a Set run at once. Each database has a seat;
// one that was refused is offered the next slot that frees, in turn.
type compactions struct {
	mu      sync.Mutex
	idle    sync.Cond
	limit   int
	running int
	seats   []*seat
	turn    int // index of the seat that is offered a slot first
}

func newCompactions(limit int) *compactions {
	c := &compactions{limit: limit}
	c.idle.L = &c.mu
	return c
}

// seat is the scheduler of one database and the handle of its compactions.
type seat struct {
	all *compactions
	db  pebble.DBForCompaction // set by Register

	// guarded by all.mu
	running  int
	waiting  bool // was refused, or may have more to do
	offering bool // a call of db.Schedule is under way
	closed   bool
}

var (
	_ pebble.CompactionScheduler   = (*seat)(nil)
	_ pebble.CompactionGrantHandle = (*seat)(nil)
)

// Register is called once by the database when it opens.
func (s *seat) Register(_ int, db pebble.DBForCompaction) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.db = db
	s.all.seats = append(s.all.seats, s)
}

// Unregister is called once by the database when it closes; compactions may still run.
func (s *seat) Unregister() {
	c := s.all
	c.mu.Lock()
	defer c.mu.Unlock()
	s.closed = true
	c.seats = slices.DeleteFunc(c.seats, func(o *seat) bool { return o == s })
	for s.offering {
		c.idle.Wait()
	}
}

// TrySchedule asks for a slot. The database holds its own lock.
func (s *seat) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	c := s.all
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.closed {
		return false, nil
	}
	if !c.free(s) {
		s.waiting = true
		return false, nil
	}
	s.running++
	c.running++
	return true, s
}

// UpdateGetAllowedWithoutPermission means nothing here: a database's own limit never rises.
func (s *seat) UpdateGetAllowedWithoutPermission() {}

// Started, MeasureCPU and CumulativeStats belong to the handle; nothing is paced.
func (s *seat) Started() {}

// MeasureCPU does nothing.
func (s *seat) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats does nothing.
func (s *seat) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done frees the slot and offers it to whoever waits. The database holds no lock.
func (s *seat) Done() {
	c := s.all
	c.mu.Lock()
	defer c.mu.Unlock()
	s.running--
	c.running--
	for {
		next := c.next()
		if next == nil {
			return
		}
		c.offer(next)
	}
}

func (c *compactions) free(s *seat) bool {
	return c.running < c.limit && s.running < s.db.GetAllowedWithoutPermission()
}

// next is the seat whose turn it is to get a slot; nil if there is none or no slot.
func (c *compactions) next() *seat {
	for i := range c.seats {
		s := c.seats[(c.turn+i)%len(c.seats)]
		if s.waiting && !s.offering && c.free(s) {
			c.turn = (c.turn + i + 1) % len(c.seats)
			return s
		}
	}
	return nil
}

// offer gives a slot to s, which may have nothing to do any more. It unlocks mu during the call, because
// a database takes its own lock before this one.
func (c *compactions) offer(s *seat) {
	s.running++
	c.running++
	s.waiting, s.offering = false, true
	c.mu.Unlock()
	taken := s.db.Schedule(s)
	c.mu.Lock()
	s.offering = false
	c.idle.Broadcast()
	if taken {
		s.waiting = true // it goes on waiting for its next one until it says that there is none
		return
	}
	s.running--
	c.running--
}
