// Package egresstest is the conformance suite that every egress and its in-memory twin passes.
package egresstest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

// Emitter is one world in which an at-least-once egress is tested. Every test makes a new one.
type Emitter struct {
	Open func(t *testing.T, lanes int) egress.Emitter
	// Record makes the i-th record; its place in a shard is set by the suite.
	Record func(i int) egress.Record
	// Outside is how many records are outside by now.
	Outside func(t *testing.T) int
	// Take, if not nil, makes somebody outside take up to n records, for an egress whose records are
	// not done before. It returns how many there were.
	Take func(t *testing.T, n int) int
	// Bad are records that Validate refuses.
	Bad []egress.Record
}

// RunEmitter tests an at-least-once egress. setup makes a fresh world.
func RunEmitter(t *testing.T, setup func(t *testing.T) Emitter) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w Emitter)
	}{
		{"each record is done once, and outside by then", testEmit},
		{"lanes run in parallel", testLanes},
		{"what has no room is offered again after a done", testWindow},
		{"close answers what is open", testCloseAnswers},
		{"nothing emitted, nothing done", testEmpty},
		{"validate takes what is emitted and refuses what is bad", testValidate},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, setup(t)) })
	}
}

// lane emits to one lane as a node does, and checks the promises of Done.
type lane struct {
	t    *testing.T
	e    egress.Emitter
	n    int
	mu   sync.Mutex
	cond *sync.Cond
	open int
	ok   int
	errs []error
}

func newLane(t *testing.T, e egress.Emitter, n int) *lane {
	l := &lane{t: t, e: e, n: n}
	l.cond = sync.NewCond(&l.mu)
	return l
}

// offer emits once and returns how many records were taken.
func (l *lane) offer(recs []egress.Record) int {
	finished := make([]bool, len(recs)) // guarded by l.mu
	l.mu.Lock()
	l.open += len(recs) // corrected below: done may come before Emit returns
	l.mu.Unlock()
	n := l.e.Emit(l.n, recs, func(from, to int, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if from < 0 || from >= to || to > len(finished) {
			l.t.Errorf("done(%d, %d) of %d records", from, to, len(finished))
			return
		}
		for i := from; i < to; i++ {
			if finished[i] {
				l.t.Errorf("record %d is done twice", i)
			}
			finished[i] = true
			l.open--
			if err != nil {
				l.errs = append(l.errs, err)
			} else {
				l.ok++
			}
		}
		l.cond.Broadcast()
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open -= len(recs) - n
	for i := n; i < len(recs); i++ {
		if finished[i] {
			l.t.Errorf("record %d of %d taken is done", i, n)
		}
	}
	return n
}

// wait waits until f holds.
func (l *lane) wait(f func() bool) {
	stuck := time.AfterFunc(30*time.Second, func() { panic("egress: no done for 30 seconds") })
	defer stuck.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for !f() {
		l.cond.Wait()
	}
}

func (w Emitter) records(n int) []egress.Record {
	recs := make([]egress.Record, n)
	for i := range recs {
		recs[i] = w.Record(i)
		recs[i].Shard = core.ShardID(i % 4) //nolint:gosec // small
		recs[i].Key = core.OutboxKey{Epoch: 1, Seq: core.Seq(i + 1)}
		recs[i].Generation = 1
	}
	return recs
}

// emitAll emits all of recs and waits until they are done.
func (w Emitter) emitAll(t *testing.T, l *lane, recs []egress.Record) {
	for len(recs) > 0 {
		n := l.offer(recs)
		if l.mu.Lock(); n == 0 && l.open == 0 && l.ok == 0 {
			t.Error("nothing is open and nothing was taken")
			l.mu.Unlock()
			return
		}
		before := l.ok
		l.mu.Unlock()
		recs = recs[n:]
		if w.Take != nil {
			w.Take(t, 1<<20)
		}
		if n == 0 {
			l.wait(func() bool { return l.ok > before || l.open == 0 })
		}
	}
	l.wait(func() bool { return l.open == 0 })
}

func testEmit(t *testing.T, w Emitter) {
	e := w.Open(t, 1)
	defer shut(t, e)
	l := newLane(t, e, 0)
	w.emitAll(t, l, w.records(500))
	if l.ok != 500 || len(l.errs) != 0 {
		t.Errorf("%d records done, errors %v", l.ok, l.errs)
	}
	if got := w.Outside(t); got != 500 {
		t.Errorf("%d records outside, want 500", got)
	}
}

func testLanes(t *testing.T, w Emitter) {
	const lanes, each = 4, 200
	e := w.Open(t, lanes)
	defer shut(t, e)
	var all sync.WaitGroup
	for i := range lanes {
		all.Go(func() { w.emitAll(t, newLane(t, e, i), w.records(each)) })
	}
	all.Wait()
	if got := w.Outside(t); got != lanes*each {
		t.Errorf("%d records outside, want %d", got, lanes*each)
	}
}

func testWindow(t *testing.T, w Emitter) {
	e := w.Open(t, 2)
	defer shut(t, e)
	recs := w.records(3000)
	full, other := newLane(t, e, 0), newLane(t, e, 1)
	total, stopped := 0, false
	for range 30 { // until its window is full, or for long enough
		n := full.offer(recs)
		if total += n; n < len(recs) {
			stopped = true
			break
		}
	}
	if n := other.offer(recs[:1]); n != 1 {
		t.Errorf("the other lane took %d records, want 1", n)
	}
	if w.Take != nil {
		if !stopped {
			t.Error("no window: 90,000 records are open")
		}
		w.Take(t, 1)
		full.wait(func() bool { return full.ok > 0 })
		for w.Take(t, 1<<20) > 0 {
		}
	}
	full.wait(func() bool { return full.open == 0 })
	other.wait(func() bool { return other.open == 0 })
	if full.ok != total {
		t.Errorf("%d records done, %d taken", full.ok, total)
	}
	if n := full.offer(recs[:1]); n != 1 {
		t.Error("an empty lane took nothing")
	}
	if w.Take != nil {
		w.Take(t, 1)
	}
	full.wait(func() bool { return full.open == 0 })
}

func testCloseAnswers(t *testing.T, w Emitter) {
	e := w.Open(t, 1)
	l := newLane(t, e, 0)
	n := l.offer(w.records(50))
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open != 0 || l.ok+len(l.errs) != n {
		t.Errorf("after close %d records are open, %d done and %d failed of %d", l.open, l.ok, len(l.errs), n)
	}
	for _, err := range l.errs {
		if !errors.Is(err, egress.ErrClosed) {
			t.Errorf("close answers %v", err)
		}
	}
	if got := w.Outside(t); got < l.ok {
		t.Errorf("%d records outside, %d done", got, l.ok)
	}
}

func testEmpty(t *testing.T, w Emitter) {
	e := w.Open(t, 1)
	defer shut(t, e)
	if n := e.Emit(0, nil, func(int, int, error) { t.Error("done") }); n != 0 {
		t.Errorf("took %d of no records", n)
	}
}

func testValidate(t *testing.T, w Emitter) {
	e := w.Open(t, 1)
	defer shut(t, e)
	checkValidate(t, e, w.Record(0), w.Bad)
}

func shut(t *testing.T, e egress.Egress) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func checkValidate(t *testing.T, e egress.Egress, good egress.Record, bad []egress.Record) {
	t.Helper()
	if err := e.Validate(good.Typename, good.Value); err != nil {
		t.Errorf("a good record: %v", err)
	}
	for _, r := range bad {
		if err := e.Validate(r.Typename, r.Value); err == nil || fmt.Sprint(err) == "" {
			t.Errorf("a bad record is taken: %s %q", r.Typename, r.Value)
		}
	}
}
