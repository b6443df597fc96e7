package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

func TestApplicationIsCreatedOnce(t *testing.T) {
	w := newWorld(t, 16)
	again, err := checkpoint.CreateApplication(t.Context(), w.bucket, "shop", 16, w.options())
	w.must(err)
	if again.ID != w.app.ID || again.ID == (core.ApplicationID{}) {
		t.Fatalf("ids %s and %s", w.app.ID, again.ID)
	}
	if !w.app.Created || again.Created {
		t.Errorf("created by the first call %v, by the second %v", w.app.Created, again.Created)
	}
	_, err = checkpoint.CreateApplication(t.Context(), w.bucket, "shop", 32, w.options())
	if want := "application cannot be opened: shop has 16 shards, not 32: the number is fixed when an application is created; start with --shards 16, or under another --application"; !errors.Is(err, checkpoint.ErrApplication) || err.Error() != want {
		t.Fatalf("other number of shards: %v", err)
	}
	if _, err := checkpoint.OpenApplication(t.Context(), w.bucket, "none", w.options()); !errors.Is(err, checkpoint.ErrNotFound) {
		t.Fatalf("missing application: %v", err)
	}
	body, err := w.bucket.Read(t.Context(), "shop/application")
	w.must(err)
	w.must(w.bucket.Create(t.Context(), "copy/application", body))
	if _, err := checkpoint.OpenApplication(t.Context(), w.bucket, "copy", w.options()); !errors.Is(err, checkpoint.ErrApplication) {
		t.Fatalf("renamed application: %v", err)
	}
	for _, shards := range []int{0, 3, 1 << 17} {
		if _, err := checkpoint.CreateApplication(t.Context(), w.bucket, "x", shards, w.options()); err == nil {
			t.Errorf("%d shards were taken", shards)
		}
	}
}

func TestApplicationSurvivesLostAnswers(t *testing.T) {
	for name, fault := range map[string]membucket.Fault{"before": {Before: membucket.ErrInjected}, "after": {After: membucket.ErrInjected}} {
		w := newWorld(t, 16)
		w.bucket.Hook = once(membucket.OpCreate, fault)
		a, err := checkpoint.CreateApplication(t.Context(), w.bucket, "other", 4, w.options())
		if err != nil || a.Shards != 4 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// once meets the first request of a kind with a fault.
func once(kind membucket.OpKind, fault membucket.Fault) func(membucket.Op) membucket.Fault {
	return times(1, kind, fault)
}

func times(n int, kind membucket.OpKind, fault membucket.Fault) func(membucket.Op) membucket.Fault {
	return func(op membucket.Op) membucket.Fault {
		if op.Kind != kind || n == 0 {
			return membucket.Fault{}
		}
		n--
		return fault
	}
}

func TestFindTail(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	for tail := checkpoint.Number(1); tail <= 70; tail++ {
		for _, hint := range []checkpoint.Number{0, 1, tail / 2, tail, tail + 1, 1000} {
			got, err := w.app.Log().FindTail(t.Context(), hint)
			w.must(err)
			if got.Number != tail || got.Entry.Number != tail || (tail > 1) != (got.Restores == tail) {
				t.Fatalf("tail %d, hint %d: got %d, restores %d", tail, hint, got.Number, got.Restores)
			}
		}
		l.commit(checkpoint.Commit{})
	}
	reads := w.count(func() { _, _ = w.app.Log().FindTail(t.Context(), 70) })
	if reads > 8 {
		t.Errorf("a good hint still takes %d requests", reads)
	}
}

func TestFindTailNeverLists(t *testing.T) {
	w := newWorld(t, 4)
	w.claim(1).commit(checkpoint.Commit{})
	w.bucket.Hook = func(op membucket.Op) membucket.Fault {
		if op.Kind == membucket.OpList {
			t.Error("the log was listed")
		}
		return membucket.Fault{}
	}
	tail, err := w.app.Log().FindTail(t.Context(), 0)
	if err != nil || tail.Number != 2 {
		t.Fatalf("%+v, %v", tail, err)
	}
}

func TestRestoreIsTheLastManifestBelowTheClaim(t *testing.T) {
	w := newWorld(t, 4)
	first := w.claim(1)
	if first.state.Number != 0 || first.state.Checkpoint != 0 {
		t.Fatalf("an empty log restores %+v", first.state)
	}
	first.commit(checkpoint.Commit{Positions: map[string][]byte{"p": []byte("1")}})
	w.claim(2) // never commits
	third := w.claim(3)
	if third.state.Number != 2 || string(third.state.Positions["p"]) != "1" || third.generation() != 4 {
		t.Fatalf("restored %+v in generation %d", third.state, third.generation())
	}
	if _, err := third.app.Log().StateBelow(t.Context(), 2, 1); err == nil {
		t.Error("a manifest passes as a claim")
	}
}

func TestEvery64thManifestAndAReignsFirstAreFull(t *testing.T) {
	w := newWorld(t, 4)
	var full []checkpoint.Number
	l := w.claim(1)
	for i := range 200 {
		if i == 150 {
			l = w.claim(2)
		}
		e := l.commit(checkpoint.Commit{Positions: map[string][]byte{fmt.Sprint(i % 10): {byte(i)}}})
		if e.Manifest.Full {
			full = append(full, e.Number)
		}
		for _, parallel := range []int{1, 8} {
			s, err := w.app.Log().StateAt(t.Context(), e.Number, parallel)
			w.must(err)
			if s.Checkpoint != core.CheckpointID(i+1) || len(s.Positions) != min(i+1, 10) || s.Positions[fmt.Sprint(i%10)][0] != byte(i) {
				t.Fatalf("after %d: %+v", i, s)
			}
		}
	}
	if want := []checkpoint.Number{2, 66, 130, 153}; !slices.Equal(full, want) {
		t.Fatalf("full manifests at %d, want %d", full, want)
	}
	if got, ok := l.state.LineageOf(150); !ok || got.Generation != 1 {
		t.Errorf("checkpoint 150 is of %+v", got)
	}
	if got, ok := l.state.LineageOf(151); !ok || got != l.reign.Lineage() {
		t.Errorf("checkpoint 151 is of %+v", got)
	}
	if _, ok := l.state.LineageOf(201); ok {
		t.Error("a checkpoint of the future has a lineage")
	}
}

func TestDeposed(t *testing.T) {
	w := newWorld(t, 4)
	old := w.claim(1)
	old.commit(checkpoint.Commit{})
	m, err := old.state.Next(checkpoint.Commit{Checkpoint: 2, Time: 9000}, old.reign.Lineage())
	w.must(err)
	w.must(old.reign.Check(t.Context()))
	w.claim(2).commit(checkpoint.Commit{})
	for range 3 {
		if _, err := old.reign.Append(t.Context(), checkpoint.Entry{Manifest: m}); !errors.Is(err, checkpoint.ErrDeposed) {
			t.Fatalf("append: %v", err)
		}
	}
	if _, err := old.reign.Settle(t.Context()); !errors.Is(err, checkpoint.ErrDeposed) || !old.reign.Deposed() {
		t.Fatalf("settle: %v", err)
	}
	tail, err := w.app.Log().FindTail(t.Context(), 0)
	if err != nil || tail.Number != 4 {
		t.Fatalf("a deposed leader appended: tail %d, %v", tail.Number, err)
	}
}

func TestIdleLeaderNoticesWithCheck(t *testing.T) {
	w := newWorld(t, 4)
	old := w.claim(1)
	w.claim(2)
	if err := old.reign.Check(t.Context()); !errors.Is(err, checkpoint.ErrDeposed) {
		t.Fatalf("check: %v", err)
	}
}

func TestLostAnswers(t *testing.T) {
	lost := membucket.Fault{After: membucket.ErrInjected}
	never := membucket.Fault{Before: membucket.ErrInjected}
	for name, hook := range map[string]func(membucket.Op) membucket.Fault{
		"answer lost":        once(membucket.OpCreate, lost),
		"request lost":       once(membucket.OpCreate, never),
		"answer lost twice":  times(2, membucket.OpCreate, lost),
		"request lost 5 ×":   times(5, membucket.OpCreate, never),
		"read back is lost":  afterFirst(once(membucket.OpCreate, lost), times(3, membucket.OpRead, never)),
		"both lost for long": afterFirst(times(5, membucket.OpCreate, lost), times(3, membucket.OpRead, never)),
	} {
		w := newWorld(t, 4)
		l := w.claim(1)
		m, err := l.state.Next(checkpoint.Commit{Checkpoint: 1}, l.reign.Lineage())
		w.must(err)
		w.bucket.Hook = hook
		e, err := l.reign.Append(t.Context(), checkpoint.Entry{Manifest: m})
		for tries := 0; err != nil && tries < 10; tries++ {
			if !l.reign.Pending() || l.reign.Deposed() {
				t.Fatalf("%s: after %v: pending %t, deposed %t", name, err, l.reign.Pending(), l.reign.Deposed())
			}
			if _, err := l.reign.Append(t.Context(), checkpoint.Entry{Claim: &checkpoint.Claim{}}); !errors.Is(err, checkpoint.ErrPending) {
				t.Fatalf("%s: other bytes were tried: %v", name, err)
			}
			w.now += time.Second
			e, err = l.reign.Settle(t.Context())
		}
		if err != nil || e.Number != 2 || l.reign.Pending() {
			t.Fatalf("%s: %+v, %v", name, e, err)
		}
		w.bucket.Hook = nil
		got, err := w.app.Log().Read(t.Context(), 2)
		if err != nil || got.Age != e.Age || got.Manifest.Checkpoint != 1 {
			t.Fatalf("%s: the log holds %+v, %v", name, got, err)
		}
		l.must(l.state.Apply(e.Number, e.Manifest))
		l.commit(checkpoint.Commit{})
	}
}

func afterFirst(a, b func(membucket.Op) membucket.Fault) func(membucket.Op) membucket.Fault {
	return func(op membucket.Op) membucket.Fault {
		if f := a(op); f != (membucket.Fault{}) {
			return f
		}
		return b(op)
	}
}

func TestLostAnswerBehindAnothersClaim(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	m, err := l.state.Next(checkpoint.Commit{Checkpoint: 1}, l.reign.Lineage())
	w.must(err)
	w.bucket.Hook = times(2, membucket.OpCreate, membucket.Fault{Before: membucket.ErrInjected})
	if _, err := l.reign.Append(t.Context(), checkpoint.Entry{Manifest: m}); !errors.Is(err, checkpoint.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	w.claim(2)
	if _, err := l.reign.Settle(t.Context()); !errors.Is(err, checkpoint.ErrDeposed) {
		t.Fatal(err)
	}
}

func TestCancelledAppendStaysPending(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	m, err := l.state.Next(checkpoint.Commit{Checkpoint: 1}, l.reign.Lineage())
	w.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.reign.Append(ctx, checkpoint.Entry{Manifest: m}); !errors.Is(err, context.Canceled) || !l.reign.Pending() {
		t.Fatalf("%v, pending %t", err, l.reign.Pending())
	}
	if e, err := l.reign.Settle(t.Context()); err != nil || e.Number != 2 {
		t.Fatal(err)
	}
}

func TestReignRefusesWhatCannotFollow(t *testing.T) {
	w := newWorld(t, 4)
	tail, err := w.app.Log().FindTail(t.Context(), 0)
	w.must(err)
	r := w.app.Log().NewReign(tail)
	claim, manifest := &checkpoint.Claim{}, &checkpoint.Manifest{Full: true, Shards: 4, Checkpoint: 1}
	for name, e := range map[string]checkpoint.Entry{
		"nothing": {}, "both": {Claim: claim, Manifest: manifest}, "manifest before the claim": {Manifest: manifest},
		"long contact": {Claim: &checkpoint.Claim{Contact: random32("a") + string(make([]byte, 2000))}},
	} {
		if _, err := r.Append(t.Context(), e); err == nil || r.Pending() || r.Deposed() {
			t.Errorf("%s: %v, pending %t", name, err, r.Pending())
		}
	}
	if _, err := r.Append(t.Context(), checkpoint.Entry{Claim: claim}); err != nil {
		t.Fatal(err)
	}
	manifest.Lineage, manifest.Prev = r.Lineage(), 1
	if _, err := r.Append(t.Context(), checkpoint.Entry{Manifest: manifest}); err == nil || r.Pending() {
		t.Errorf("a manifest that follows a claim: %v", err)
	}
}

// fill commits until the log's tail is n.
func (l *leader) fill(n checkpoint.Number) {
	for l.reign.Tail() < n {
		l.commit(checkpoint.Commit{})
	}
}

func TestLogIsCutByTheFolder(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	l.fill(4000)
	w.now += time.Hour
	l.fill(4200)
	collect := func() (c checkpoint.Collected) {
		c, err := l.collector.Collect(t.Context(), l.reign, l.state, 100)
		w.must(err)
		return c
	}
	for range 4 {
		if c := collect(); c.Folders != 0 {
			t.Fatal("a folder went before 24 hours")
		}
	}
	w.now += 24*time.Hour - time.Millisecond
	if c := collect(); c.Folders != 0 {
		t.Fatal("a folder went a millisecond too early")
	}
	w.now += time.Millisecond
	if c := collect(); c.Folders != 1 {
		t.Fatalf("a folder of 24 hours stays: %+v", c)
	}
	if _, err := w.app.Log().Read(t.Context(), 4095); !errors.Is(err, checkpoint.ErrCut) {
		t.Fatalf("read what was cut: %v", err)
	}
	oldest, err := w.app.Log().Oldest(t.Context())
	if err != nil || oldest != 4096 {
		t.Fatalf("oldest %d, %v", oldest, err)
	}
	for _, hint := range []checkpoint.Number{0, 1, 4095, 4200, 9000} {
		tail, err := w.app.Log().FindTail(t.Context(), hint)
		if err != nil || tail.Number != 4200 {
			t.Fatalf("hint %d: tail %d, %v", hint, tail.Number, err)
		}
	}
	if s := w.claim(2).state; s.Checkpoint != 4199 {
		t.Fatalf("restored checkpoint %d", s.Checkpoint)
	}
}

func TestLogKeepsTheLastFullManifest(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	l.fill(4097) // full are 2 + 64 × n: the last one is 4034
	if l.state.FullNumber >= 4096 {
		t.Fatalf("full manifest at %d", l.state.FullNumber)
	}
	w.now += 100 * time.Hour
	for range 3 {
		c, err := l.collector.Collect(t.Context(), l.reign, l.state, 100)
		if err != nil || c.Folders != 0 {
			t.Fatalf("%+v, %v", c, err)
		}
	}
}

// A leader sleeps while others lead, the log is cut behind it, and the bucket, like S3, lets its
// create at the old number succeed.
func TestSleeperBehindACutLogIsDeposed(t *testing.T) {
	for name, sleep := range map[string]bool{"sleeps before the create": true, "sleeps in the create": false} {
		w := newWorld(t, 4)
		old := w.claim(1)
		old.commit(checkpoint.Commit{})
		m, err := old.state.Next(checkpoint.Commit{Checkpoint: 2, Time: 9000}, old.reign.Lineage())
		w.must(err)
		others := func() {
			l := w.claim(2)
			l.fill(4200)
			w.now += 25 * time.Hour
			for range 2 {
				_, err := l.collector.Collect(t.Context(), l.reign, l.state, 100)
				w.must(err)
			}
		}
		if sleep {
			others()
		} else {
			slept := false
			w.bucket.Hook = func(op membucket.Op) membucket.Fault {
				if op.Kind == membucket.OpCreate && !slept {
					slept = true
					others()
				}
				return membucket.Fault{}
			}
		}
		if _, err := old.reign.Append(t.Context(), checkpoint.Entry{Manifest: m}); !errors.Is(err, checkpoint.ErrDeposed) {
			t.Errorf("%s: %v", name, err)
		}
		w.bucket.Hook = nil
		tail, err := w.app.Log().FindTail(t.Context(), 0)
		if err != nil || tail.Number != 4200 {
			t.Errorf("%s: tail %d, %v", name, tail.Number, err)
		}
	}
}

func TestLateCreateOfALivingLeaderWins(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	w.now += 30 * time.Hour // idle
	l.commit(checkpoint.Commit{})
	m, err := l.state.Next(checkpoint.Commit{Checkpoint: 2, Time: 9000}, l.reign.Lineage())
	w.must(err)
	w.bucket.Hook = func(op membucket.Op) membucket.Fault {
		if op.Kind == membucket.OpCreate {
			w.now += 2 * time.Hour // slow
		}
		return membucket.Fault{}
	}
	e, err := l.reign.Append(t.Context(), checkpoint.Entry{Manifest: m})
	if err != nil || e.Number != 3 {
		t.Fatalf("%+v, %v", e, err)
	}
}

func TestAgeNeverExceedsRealTime(t *testing.T) {
	w := newWorld(t, 4)
	start := w.now
	last := time.Duration(-1)
	for nonce := range uint64(5) {
		l := w.claim(nonce)
		for range 5 {
			w.now += 700*time.Millisecond + 300*time.Microsecond
			e := l.commit(checkpoint.Commit{})
			if e.Age > w.now-start || e.Age < last {
				t.Fatalf("age %v at %v, before %v", e.Age, w.now, last)
			}
			last = e.Age
		}
		w.now += time.Minute // nobody leads
	}
	if last < 17*time.Second || last > 18*time.Second {
		t.Fatalf("after 17.5 s of leading the age is %v", last)
	}
}

func TestNewestEntries(t *testing.T) {
	w := newWorld(t, 4)
	w.claim(1).fill(5)
	for limit, want := range []int{0, 1, 2, 3, 4, 5, 5, 5} {
		got, err := w.app.Log().Newest(t.Context(), 5, limit)
		if err != nil || len(got) != want || (want > 0 && got[0].Number != 5) {
			t.Fatalf("limit %d: %d entries, %v", limit, len(got), err)
		}
	}
	w.must(w.bucket.DeleteFolder(t.Context(), checkpoint.FolderKey("shop", 0)))
	if got, err := w.app.Log().Newest(t.Context(), 5, 9); err != nil || len(got) != 0 {
		t.Fatalf("of a log that was cut: %d entries, %v", len(got), err)
	}
}

func TestReadNewerReadsOnlyWhatADiskLacks(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	for i := range 5 {
		l.commit(checkpoint.Commit{Segments: []*checkpoint.Segment{l.segment(map[core.ShardID][]core.Row{
			1: {row("1/a", fmt.Sprint(i))}, 2: {row("2/a", fmt.Sprint(i))},
		})}})
	}
	var got []string
	requests := w.count(func() {
		w.must(w.app.ReadNewer(t.Context(), l.state, []checkpoint.Resume{{Shard: 1, After: 3}, {Shard: 2, After: 4}, {Shard: 0}}, func(shard core.ShardID, n core.CheckpointID, s *checkpoint.Section) error {
			for r := range s.Rows() {
				got = append(got, fmt.Sprintf("%d: %s=%s of %d", shard, r.Key, r.Value, n))
			}
			return nil
		}))
	})
	if want := []string{"1: 1/a=3 of 4", "1: 1/a=4 of 5", "2: 2/a=4 of 5"}; !slices.Equal(got, want) || requests > 5 {
		t.Fatalf("%d requests: got %q, want %q", requests, got, want)
	}
	l.rebase(map[string]string{"1/a": "4"})
	err := w.app.ReadNewer(t.Context(), l.state, []checkpoint.Resume{{Shard: 1, After: 3}}, nil)
	if err == nil {
		t.Fatal("a disk older than the base was resumed")
	}
}
