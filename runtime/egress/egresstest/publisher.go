package egresstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

// Publisher is one world in which an after-commit egress is tested. Every test makes a new one.
type Publisher struct {
	// Open opens the egress on that world; called again, it does so as another process.
	Open func(t *testing.T) egress.Publisher
	// Record makes a record that carries a text without blanks.
	Record func(text string) egress.Record
	// Outside are the texts of all records outside, in the order of each lane.
	Outside func(t *testing.T) []string
	// Forgets is true if the outside keeps no mark of checkpoints: another process begins with zero, and what it publishes again is outside
	// again, with the same id. Outside then shows the first record of each id.
	Forgets bool
	// Bad are records that Validate refuses.
	Bad []egress.Record
}

// RunPublisher tests an after-commit egress. setup makes a fresh world.
func RunPublisher(t *testing.T, setup func(t *testing.T) Publisher) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w Publisher)
	}{
		{"nothing is published at first", testUnpublished},
		{"checkpoints go out whole and in order", testPublish},
		{"a checkpoint goes out once", testRepeats},
		{"publishing before Published is asked is refused", testUnasked},
		{"another process goes on behind the last checkpoint", testReopen},
		{"lanes are independent", testPublisherLanes},
		{"an ended context is an error", testPublisherContext},
		{"validate takes what is published and refuses what is bad", testPublisherValidate},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, setup(t)) })
	}
}

// checkpoint makes the records of a lane's checkpoint n.
func (w Publisher) checkpoint(lane int, n core.CheckpointID, records int) (recs []egress.Record, texts []string) {
	for i := range records {
		text := fmt.Sprintf("lane%d-checkpoint%d-record%d", lane, n, i)
		r := w.Record(text)
		r.Shard = core.ShardID(lane) //nolint:gosec // small
		r.Key = core.OutboxKey{Epoch: core.Epoch(n), Seq: core.Seq(i + 1)}
		r.Generation = 1
		recs, texts = append(recs, r), append(texts, text)
	}
	return recs, texts
}

// publish publishes checkpoint n of a lane and returns its texts.
func (w Publisher) publish(t *testing.T, p egress.Publisher, lane int, n core.CheckpointID, records int) []string {
	t.Helper()
	recs, texts := w.checkpoint(lane, n, records)
	if err := p.Publish(t.Context(), lane, n, recs); err != nil {
		t.Fatalf("publish checkpoint %d of lane %d: %v", n, lane, err)
	}
	return texts
}

func published(t *testing.T, p egress.Publisher, lane int, want core.CheckpointID) {
	t.Helper()
	got, err := p.Published(t.Context(), lane)
	if err != nil || got != want {
		t.Fatalf("published of lane %d: %d, %v; want %d", lane, got, err, want)
	}
}

func (w Publisher) outside(t *testing.T, want []string) {
	t.Helper()
	if got := w.Outside(t); !slices.Equal(got, want) {
		t.Errorf("outside are %d records, want %d:\n%v\n%v", len(got), len(want), got, want)
	}
}

func testUnpublished(t *testing.T, w Publisher) {
	p := w.Open(t)
	if p.Lanes() < 1 {
		t.Fatalf("%d lanes", p.Lanes())
	}
	for lane := range p.Lanes() {
		published(t, p, lane, 0)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	w.outside(t, nil)
}

func testPublish(t *testing.T, w Publisher) {
	p := w.Open(t)
	defer shut(t, p)
	published(t, p, 0, 0)
	var want []string
	for _, n := range []core.CheckpointID{1, 2, 7, 1000} {
		want = append(want, w.publish(t, p, 0, n, int(n))...) //nolint:gosec // small
		published(t, p, 0, n)
	}
	if err := p.Publish(t.Context(), 0, 1001, nil); err != nil {
		t.Errorf("a checkpoint without records: %v", err)
	}
	want = append(want, w.publish(t, p, 0, 1002, 1)...)
	w.outside(t, want)
}

func testRepeats(t *testing.T, w Publisher) {
	p := w.Open(t)
	defer shut(t, p)
	published(t, p, 0, 0)
	want := w.publish(t, p, 0, 3, 5)
	w.publish(t, p, 0, 3, 5)
	w.publish(t, p, 0, 2, 5)
	w.outside(t, want)
}

func testUnasked(t *testing.T, w Publisher) {
	p := w.Open(t)
	defer shut(t, p)
	recs, _ := w.checkpoint(0, 1, 1)
	if err := p.Publish(t.Context(), 0, 1, recs); err == nil {
		t.Error("no error")
	}
	w.outside(t, nil)
}

func testReopen(t *testing.T, w Publisher) {
	var want []string
	for n := core.CheckpointID(1); n <= 5; n++ {
		p := w.Open(t)
		known := n - 1
		if w.Forgets {
			known = 0
		}
		published(t, p, 0, known)
		w.publish(t, p, 0, n-1, 3) // a try whose answer was lost
		want = append(want, w.publish(t, p, 0, n, 3)...)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		recs, _ := w.checkpoint(0, n+1, 3)
		if err := p.Publish(t.Context(), 0, n+1, recs); err == nil {
			t.Error("published after close")
		}
	}
	w.outside(t, want)
}

func testPublisherLanes(t *testing.T, w Publisher) {
	p := w.Open(t)
	defer shut(t, p)
	for lane := range p.Lanes() {
		published(t, p, lane, 0)
	}
	for lane := range p.Lanes() {
		w.publish(t, p, lane, core.CheckpointID(lane+1), 2) //nolint:gosec // small
	}
	for lane := range p.Lanes() {
		published(t, p, lane, core.CheckpointID(lane+1)) //nolint:gosec // small
	}
	if _, err := p.Published(t.Context(), p.Lanes()); err == nil {
		t.Error("a lane too many")
	}
	if got := len(w.Outside(t)); got != 2*p.Lanes() {
		t.Errorf("%d records outside, want %d", got, 2*p.Lanes())
	}
}

func testPublisherContext(t *testing.T, w Publisher) {
	p := w.Open(t)
	defer shut(t, p)
	published(t, p, 0, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	recs, _ := w.checkpoint(0, 1, 1)
	if err := p.Publish(ctx, 0, 1, recs); !errors.Is(err, context.Canceled) {
		t.Errorf("publish: %v", err)
	}
	if _, err := p.Published(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("published: %v", err)
	}
	published(t, p, 0, 0)
	w.outside(t, w.publish(t, p, 0, 1, 1))
}

func testPublisherValidate(t *testing.T, w Publisher) {
	p := w.Open(t)
	defer shut(t, p)
	checkValidate(t, p, w.Record("x"), w.Bad)
}
