package node

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

// testApplication is an application in a bucket whose reads below control/ fail while broken is set.
func testApplication(t *testing.T, broken *bool) *checkpoint.Application {
	bucket := &membucket.Faulty{Under: &membucket.Bucket{}, Hook: func(op membucket.Op) membucket.Fault {
		if *broken && op.Kind == membucket.OpRead && strings.Contains(op.Key, "/control/") {
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
	log := app.Log()
	first, err := log.FindTail(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	claim := &checkpoint.Claim{Nonce: 7, Time: core.Millis(1)}
	if _, err := log.NewReign(first).Append(t.Context(), checkpoint.Entry{Claim: claim}); err != nil {
		t.Fatal(err)
	}
	s := &standby{log: log, lease: time.Nanosecond}
	broken = true
	for range 3 {
		if may, err := s.look(t.Context()); may || err == nil {
			t.Errorf("may claim: %v, error %v, though the leader's claim could not be read", may, err)
		}
	}
	broken = false
	if may, err := s.look(t.Context()); may || err != nil {
		t.Errorf("may claim: %v, error %v, though the log has not stood still yet", may, err)
	}
	time.Sleep(time.Microsecond)
	if may, err := s.look(t.Context()); !may || err != nil {
		t.Errorf("may claim: %v, error %v, want to take over from a leader that left no contact", may, err)
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

// A process that waits beside an idle leader makes one request in a lease time.
func TestStandbyAsksOnceInALeaseTime(t *testing.T) {
	requests := 0
	bucket := &membucket.Faulty{Under: &membucket.Bucket{}, Hook: func(membucket.Op) membucket.Fault { requests++; return membucket.Fault{} }}
	now := time.Duration(0)
	app, err := checkpoint.CreateApplication(t.Context(), bucket, "app", 1, checkpoint.Options{
		Random: rand.Reader, Clock: func() time.Duration { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	leads := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(NonceHeader, "7") }))
	defer leads.Close()
	log := app.Log()
	first, err := log.FindTail(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	reign := log.NewReign(first)
	claim := checkpoint.Entry{Claim: &checkpoint.Claim{Nonce: 7, Contact: leads.Listener.Addr().String()}}
	if _, err := reign.Append(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	s := &standby{log: log, lease: time.Second}
	if may, err := s.look(t.Context()); may || err != nil {
		t.Fatalf("may claim: %v, error %v, beside a leader of which nothing is known yet", may, err)
	}
	s.moved = time.Now().Add(-time.Minute)
	for i := range 100 { // with half an hour between each two: a look that finds nothing makes the next as cheap
		now += 30 * time.Minute
		requests = 0
		if may, err := s.look(t.Context()); may || err != nil {
			t.Fatalf("may claim: %v, error %v, beside a leader that lives", may, err)
		}
		if requests != 1 || s.pause() != s.lease {
			t.Fatalf("look %d: %d requests, the next after %s; want one in a lease time", i, requests, s.pause())
		}
	}
	if _, err := reign.Append(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	if may, err := s.look(t.Context()); may || err != nil || s.tail.Number != 2 || s.pause() >= s.lease {
		t.Errorf("may claim: %v, error %v, tail %d, the next look after %s", may, err, s.tail.Number, s.pause())
	}
	leads.Close()
	s.moved = time.Now().Add(-time.Minute)
	if may, err := s.look(t.Context()); !may || err != nil {
		t.Errorf("may claim: %v, error %v, though the leader is gone", may, err)
	}
}
