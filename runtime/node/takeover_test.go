package node

import (
	"crypto/rand"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

// testApplication is an application in a bucket whose reads below log/ fail while broken is set.
func testApplication(t *testing.T, broken *bool) *checkpoint.Application {
	bucket := &membucket.Faulty{Under: &membucket.Bucket{}, Hook: func(op membucket.Op) membucket.Fault {
		if *broken && op.Kind == membucket.OpRead && strings.Contains(op.Key, "/log/") {
			return membucket.Fault{Before: membucket.ErrInjected}
		}
		return membucket.Fault{}
	}}
	began := time.Now()
	app, err := checkpoint.CreateApplication(t.Context(), bucket, "app", 1, checkpoint.Options{
		Random: rand.Reader, Clock: func() time.Duration { return time.Since(began) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// A standby that cannot read whose log stands still does not depose a leader that may live.
func TestTroubleOfTheBucketIsNoSilenceOfTheLeader(t *testing.T) {
	broken := false
	app := testApplication(t, &broken)
	n := &Node{cfg: Config{Log: slog.New(slog.DiscardHandler), Lease: time.Second}}
	manifest := &checkpoint.Manifest{Lineage: checkpoint.Lineage{Generation: 1}}
	tail := checkpoint.Tail{Number: 2, Entry: &checkpoint.Entry{Manifest: manifest}}
	broken = true
	if n.mayTakeOver(t.Context(), app.Log(), tail) {
		t.Error("it may take over though the leader's claim could not be read")
	}
	broken = false
	log := app.Log()
	first, err := log.FindTail(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	claim := &checkpoint.Claim{Nonce: 7, Time: core.Millis(1)}
	if _, err := log.NewReign(first).Append(t.Context(), checkpoint.Entry{Claim: claim}); err != nil {
		t.Fatal(err)
	}
	if !n.mayTakeOver(t.Context(), log, tail) {
		t.Error("it may not take over from a leader that left no contact")
	}
}

// The restore point is read again when the bucket has trouble right after the claim has won.
func TestRestorePointIsTriedAgain(t *testing.T) {
	broken := false
	app := testApplication(t, &broken)
	first, err := app.Log().FindTail(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := app.Log().NewReign(first).Append(t.Context(), checkpoint.Entry{Claim: &checkpoint.Claim{Nonce: 7}})
	if err != nil {
		t.Fatal(err)
	}
	broken = true
	n := &Node{app: app, cfg: Config{Log: slog.New(slog.NewTextHandler(writerFunc(func([]byte) { broken = false }), nil))}}
	state, err := n.restorePoint(t.Context(), claim.Number)
	if err != nil || state == nil {
		t.Fatalf("state %v, error %v", state, err)
	}
}

// writerFunc is a writer that only wants to know that something was written.
type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}
