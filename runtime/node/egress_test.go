package node_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	outside "github.com/stateway/stateway/runtime/egress/memory"
	"github.com/stateway/stateway/runtime/node"
)

// Egresses that fail, lose answers and are killed in between get every record: after commits once, at once at least once.
func TestEgressTrouble(t *testing.T) {
	y := newTally(t, 6000, 50)
	down := errors.New("down")
	y.out.LoseAnswers(down)
	y.fast.Fail(down)
	x := y.start().ready()
	x.eventually("publications' answers were lost", func() bool { return len(y.out.Records()) > 0 })
	y.out.LoseAnswers(nil)
	y.out.Fail(down)
	x.eventually("records wait", func() bool { return x.metric("stateway_egress_unpublished") > 0 })
	x.kill()
	y.out.Fail(nil)
	x = y.start().ready()
	y.fast.Fail(nil)
	y.done(x)
	x.eventually("all were emitted", func() bool {
		seen := map[int]bool{}
		for _, r := range y.fast.Records() {
			seen[parseLine(t, r).v] = true
		}
		return len(seen) == y.records
	})
	y.verify(x)
}

// An egress without room stops nothing but its own records, and gets them in order.
func TestEgressWithoutRoom(t *testing.T) {
	y := newTally(t, 2000, 1)
	var mu sync.Mutex
	var holding *outside.Emitter // guarded by mu
	y.parts.Egresses[1] = node.Egress{
		Core: core.Egress{Name: "test/fast"},
		Open: func(core.ApplicationID, int) (egress.Egress, error) {
			mu.Lock()
			defer mu.Unlock()
			holding = outside.OpenHolding(y.fast, 16)
			return holding, nil
		},
	}
	x := y.start().ready()
	y.done(x)
	if got := x.metric("stateway_egress_unpublished"); got != 2000 {
		t.Errorf("%v records wait, want 2,000", got)
	}
	x.eventually("the egress has taken all", func() bool {
		mu.Lock()
		defer mu.Unlock()
		holding.Finish(100)
		return len(y.fast.Records()) >= y.records
	})
	for i, r := range y.fast.Records() {
		if l := parseLine(t, r); l.n != i+1 {
			t.Fatalf("record %d is the %d. of its Address", i, l.n)
		}
	}
	x.eventually("no record waits", func() bool { return x.metric("stateway_egress_unpublished") == 0 })
	y.verify(x)
	x.halt()
}

// An egress that is neither kind, or that cannot be opened, ends the start.
func TestEgressThatCannotBeOpened(t *testing.T) {
	y := newTally(t, 10, 1)
	broken := errors.New("no such place")
	y.parts.Egresses[0].Open = func(core.ApplicationID, int) (egress.Egress, error) { return nil, broken }
	if err := y.start().wait(); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}
