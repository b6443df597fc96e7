package node

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

// scripted is an Emitter whose n-th Emit does what its n-th step says.
type scripted struct {
	steps []func(recs []egress.Record, done egress.Done) int
	calls int
}

func (s *scripted) Validate(string, []byte) error { return nil }
func (s *scripted) Close() error                  { return nil }

func (s *scripted) Emit(_ int, recs []egress.Record, done egress.Done) int {
	step := s.steps[s.calls]
	s.calls++
	return step(recs, done)
}

func testEgress(t *testing.T) (egressCommon, *workerLoop) {
	l := &workerLoop{inbox: newInbox()}
	g := &generation{
		node: &Node{cfg: Config{Workers: 1}}, log: slog.New(slog.DiscardHandler), workers: []*workerLoop{l},
		owners: []core.WorkerID{0}, coordinator: &coordinatorLoop{last: &checkpoint.State{}},
	}
	g.cancel = func(err error) { t.Errorf("the generation failed: %v", err) }
	return egressCommon{gen: g, name: "out/now"}, l
}

// The record that fills the window is done while the egress says that it has no room: nobody else would offer the rest again.
func TestEmitterOffersAgainWhatARacingDoneMadeRoomFor(t *testing.T) {
	common, l := testEgress(t)
	out := &scripted{}
	var first egress.Done
	out.steps = []func(recs []egress.Record, done egress.Done) int{
		func(_ []egress.Record, done egress.Done) int { first = done; return 1 },
		func([]egress.Record, egress.Done) int { first(0, 1, nil); return 0 },
		func(recs []egress.Record, done egress.Done) int { done(0, len(recs), nil); return len(recs) },
	}
	e := newEmitter(common, out)
	e.emit(l, core.Emit{Records: []*core.OutRecord{{}, {}}})
	if out.calls != 3 {
		t.Fatalf("%d calls of Emit, want 3", out.calls)
	}
	done := 0
	for _, ev := range l.inbox.take(nil) {
		done += len(ev.(core.EgressDone).Records)
	}
	if done != 2 {
		t.Fatalf("%d records done, want 2", done)
	}
}

// forgetful is a Publisher that publishes and then loses its first answer.
type forgetful struct {
	published core.CheckpointID
	calls     int
}

func (f *forgetful) Validate(string, []byte) error { return nil }
func (f *forgetful) Close() error                  { return nil }
func (f *forgetful) Lanes() int                    { return 1 }

func (f *forgetful) Published(context.Context, int) (core.CheckpointID, error) {
	return f.published, nil
}

func (f *forgetful) Publish(_ context.Context, _ int, n core.CheckpointID, _ []egress.Record) error {
	f.published = n
	if f.calls++; f.calls == 1 {
		return errors.New("the answer was lost")
	}
	return nil
}

// A lost answer to a lane's first publication looks like an egress that is ahead of the restore point; it is not ahead of the last commit.
func TestPublisherTakesALostAnswerForNoRollback(t *testing.T) {
	common, _ := testEgress(t)
	common.gen.restored = 3
	common.gen.coordinator.last = &checkpoint.State{Checkpoint: 4}
	out := &forgetful{}
	p := newPublisher(common, out)
	published := []core.CheckpointID{0}
	if !p.askPublished(t.Context(), 0, published) || !p.publish(t.Context(), 4, []*core.OutRecord{{}}, published) {
		t.Fatal("it gave up")
	}
	if published[0] != 4 || out.calls != 1 {
		t.Fatalf("published through %d in %d calls, want 4 in 1", published[0], out.calls)
	}
}

func TestPublisherRefusesABucketThatWasPutBack(t *testing.T) {
	common, _ := testEgress(t)
	common.gen.restored = 3
	common.gen.coordinator.last = &checkpoint.State{Checkpoint: 3}
	var failed error
	common.gen.cancel = func(err error) { failed = err }
	p := newPublisher(common, &forgetful{published: 4})
	if p.askPublished(t.Context(), 0, []core.CheckpointID{0}) || failed == nil {
		t.Fatalf("it went on; the generation's failure is %v", failed)
	}
}
