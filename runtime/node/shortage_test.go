package node

import (
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

func TestShortage(t *testing.T) {
	var s shortage
	now, consumed := time.Now(), uint64(0)
	told := func(within time.Duration, each uint64) int {
		n := 0
		for end := now.Add(within); now.Before(end); now = now.Add(10 * time.Millisecond) {
			if consumed += each; s.tell(now, consumed) {
				n++
			}
		}
		return n
	}
	if n := told(time.Second, 1); n != 20 {
		t.Errorf("told %d times in a second in which messages were consumed, want 20", n)
	}
	told(5*time.Second, 0)
	if n := told(10*time.Second, 0); n != 10 {
		t.Errorf("told %d times in ten seconds after five in which nothing was consumed, want 10", n)
	}
	if n := told(time.Second, 1); n != 20 {
		t.Errorf("told %d times in a second in which messages were consumed again, want 20", n)
	}
}

// A partition that is held back has all workers look, once in a while.
func TestWorkersAreToldOfShortage(t *testing.T) {
	g := &generation{clock: newClock(0), workers: []*workerLoop{{inbox: newInbox()}, {inbox: newInbox()}}}
	g.ingresses = &ingressDriver{gen: g}
	sink := &partitionSink{gen: g, pace: newPace(1<<20, 1), room: make(chan struct{}, 1)}
	sink.pace.used = sink.pace.limit
	for range 3 {
		if taken, err := sink.tryTake(1); taken || err != nil {
			t.Fatalf("took credit that is not there: %v, %v", taken, err)
		}
	}
	for i, w := range g.workers {
		events := w.inbox.take(nil)
		if len(events) != 1 || events[0] != (core.CreditShort{}) {
			t.Errorf("worker %d got %v, want one CreditShort", i, events)
		}
	}
}
