package checkpoint_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
)

// look takes one look for the reign and returns how many requests that took.
func (l *leader) look() (requests int, err error) {
	l.t.Helper()
	hook := l.bucket.Hook
	l.bucket.Hook = counting(hook, &requests)
	defer func() { l.bucket.Hook = hook }()
	look, ok := l.reign.Look()
	if !ok {
		l.t.Fatal("there is nothing to look at")
	}
	seen, err := look.Do(l.t.Context())
	l.must(err)
	return requests, l.reign.Saw(seen)
}

func TestALookIsOneRequestWithinTheHour(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	l.commit(checkpoint.Commit{})
	for _, c := range []struct {
		pause    time.Duration
		requests int
	}{{2 * time.Second, 1}, {59 * time.Minute, 1}, {59 * time.Minute, 1}, {time.Hour, 2}, {59 * time.Minute, 1}} {
		w.now += c.pause
		if n, err := l.look(); err != nil || n != c.requests {
			t.Errorf("a look %s after the one before made %d requests (%v), want %d", c.pause, n, err, c.requests)
		}
	}
}

// What a look saw before an append of ours says nothing after it.
func TestALookDoesNotTakeOurOwnEntryForAnothers(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	look, _ := l.reign.Look()
	l.commit(checkpoint.Commit{})
	seen, err := look.Do(t.Context()) // it sees the manifest
	w.must(err)
	if err := l.reign.Saw(seen); err != nil || !seen.Reached {
		t.Fatalf("saw %+v: %v", seen, err)
	}
	w.claim(2)
	if _, err := l.look(); !errors.Is(err, checkpoint.ErrDeposed) || !l.reign.Deposed() {
		t.Errorf("another's claim: %v", err)
	}
}

// A leader that slept looks for the folder's end, too: its next number may have been cut off. The same if it slept in the look.
func TestALookBehindACutLogFindsIt(t *testing.T) {
	for name, during := range map[string]bool{"sleeps before the look": false, "sleeps in the look": true} {
		w := newWorld(t, 4)
		old := w.claim(1)
		old.commit(checkpoint.Commit{})
		others := func() {
			l := w.claim(2)
			l.fill(4200)
			w.now += 25 * time.Hour
			for range 2 {
				_, err := l.collector.Collect(t.Context(), l.reign, l.state, 100)
				w.must(err)
			}
		}
		slept := false
		if !during {
			others()
		} else {
			w.bucket.Hook = func(op membucket.Op) membucket.Fault {
				if op.Kind == membucket.OpReadRange && !slept {
					slept = true
					others()
				}
				return membucket.Fault{}
			}
		}
		if _, err := old.look(); !errors.Is(err, checkpoint.ErrDeposed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// No deletion begins while the outcome of an append is open, and each goes by the newest manifest.
func TestCollectionStopsAtAnOpenOutcome(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	for range 4 {
		l.commit(checkpoint.Commit{Segments: []*checkpoint.Segment{l.segment(shardOne("1/a", "x"))}})
	}
	l.rebase(map[string]string{"1/a": "x"}) // retires four segments
	asked := 0
	newest := func() (*checkpoint.State, error) {
		if asked++; asked > 3 {
			return nil, checkpoint.ErrPending
		}
		return l.state, nil
	}
	done, err := l.collector.Step(t.Context(), l.reign.Lineage(), l.reign.Age(), asNewest(newest), 100)
	if !errors.Is(err, checkpoint.ErrPending) || done.Deleted != 2 {
		t.Errorf("%+v, %v; want two deletions, then %v", done, err, checkpoint.ErrPending)
	}
	l.collectAll()
	if left := strings.Join(w.objects(), " "); strings.Contains(left, "/segments/") {
		t.Errorf("segments are left: %s", left)
	}
}

func asNewest(f func() (*checkpoint.State, error)) checkpoint.Newest {
	return func(context.Context) (*checkpoint.State, error) { return f() }
}
