package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

const (
	fromURL = "file:///from"
	toURL   = "s3://to/there"
)

var errKilled = errors.New("killed")

// journey is an application that is copied from one bucket to another by processes that are killed.
type journey struct {
	*world
	buckets map[string]*membucket.Bucket // by URL
	left    int                          // requests until the kill; negative: none
	late    bool                         // the request that kills is carried out, and its answer lost
}

// newJourney is an application whose newest manifest refers to a base, to segments of which a base holds a part, and to positions.
func newJourney(t *testing.T) *journey {
	w := newWorld(t, 4)
	l := w.claim(1)
	l.commit(checkpoint.Commit{
		Segments:  []*checkpoint.Segment{l.segment(map[core.ShardID][]core.Row{1: numbered(1, 50, 30), 2: numbered(2, 9, 300)})},
		Positions: map[string][]byte{"orders/0": {1, 2}},
	})
	l.rebase(map[string]string{"1/a": "x", "1/b": "y"})
	l = w.claim(2)
	l.commit(checkpoint.Commit{Segments: []*checkpoint.Segment{l.segment(map[core.ShardID][]core.Row{1: {row("1/a", "z")}, 3: numbered(3, 5, 9)})}})
	return &journey{world: w, buckets: map[string]*membucket.Bucket{fromURL: w.bucket.Under, toURL: {}}, left: -1}
}

// fresh is the same journey before it began.
func (j *journey) fresh() *journey {
	c := &journey{world: j.world, buckets: map[string]*membucket.Bucket{}, left: -1}
	for url, b := range j.buckets {
		c.buckets[url] = b.Clone()
	}
	return c
}

func (j *journey) open(_ context.Context, url string) (checkpoint.Bucket, error) {
	return j.buckets[url], nil
}

// dying is a bucket whose requests end when the process is killed.
func (j *journey) dying(url string) checkpoint.Bucket {
	return &membucket.Faulty{Under: j.buckets[url], Hook: func(membucket.Op) membucket.Fault {
		if j.left > 0 {
			j.left--
			return membucket.Fault{}
		}
		if j.left < 0 {
			return membucket.Fault{}
		}
		if j.late {
			j.late = false
			return membucket.Fault{After: errKilled}
		}
		return membucket.Fault{Before: errKilled}
	}}
}

// run runs a process that copies, and is killed after so many requests; never if that is negative.
func (j *journey) run(from, to string, fork bool, left int, late bool) (checkpoint.Copied, error) {
	j.left, j.late = left, late
	defer func() { j.left = -1 }()
	return checkpoint.Copy(j.t.Context(), j.dying(from), j.dying(to), "shop", checkpoint.CopyOptions{
		Options: j.options(), From: from, To: to, Fork: fork, Await: j.await,
	})
}

func (j *journey) await(ctx context.Context, log *checkpoint.Log) (checkpoint.Tail, error) {
	tail, err := log.FindTail(ctx, 0)
	if err != nil {
		return tail, err
	}
	leader, err := log.Leader(ctx, tail)
	if err != nil {
		return tail, err
	}
	return tail, log.Startable(ctx, leader, j.open)
}

// startable reports whether a process that is started with a bucket goes on with the application.
func (j *journey) startable(url string) error {
	app, err := checkpoint.OpenApplication(j.t.Context(), j.buckets[url], "shop", j.options())
	if err != nil {
		return err
	}
	_, err = j.await(j.t.Context(), app.Log())
	return err
}

// content is what an application holds: positions, and of each shard the base's files and the rows behind it.
func (j *journey) content(url string) (core.ApplicationID, map[string]any) {
	j.t.Helper()
	ctx := j.t.Context()
	app, err := checkpoint.OpenApplication(ctx, j.buckets[url], "shop", j.options())
	j.must(err)
	tail, err := app.Log().FindTail(ctx, 0)
	j.must(err)
	s, err := app.Log().StateAt(ctx, tail.Restores, 1)
	j.must(err)
	held := map[string]any{"positions": s.Positions, "time": s.Time}
	for i := range s.Shards {
		past := s.Past(core.ShardID(i))
		if past.Base != nil {
			held[fmt.Sprintf("base %d", i)] = past.Base.Checkpoint
			for _, f := range past.Base.Files {
				held[fmt.Sprintf("base %d %s", i, f.File)] = f.Sum
			}
		}
		for _, at := range past.Sections {
			j.must(app.ReadSections(ctx, at.Segment, []core.ShardID{core.ShardID(i)}, func(_ core.ShardID, sec *checkpoint.Section) error {
				held[fmt.Sprintf("shard %d at %d, next %d", i, at.Segment.Checkpoint, sec.NextSeq())] = fmt.Sprint(collect(sec.Rows()))
				return nil
			}))
		}
	}
	r, err := app.VerifyState(ctx, s)
	j.must(errors.Join(append(r.Problems, err)...))
	return app.ID, held
}

// one checks that the application starts in exactly one of two buckets.
func (j *journey) one(from, to string) {
	j.t.Helper()
	a, b := j.startable(from), j.startable(to)
	if (a == nil) == (b == nil) {
		j.t.Fatalf("it starts in both buckets or in none: %s: %v; %s: %v", from, a, to, b)
	}
	for _, err := range []error{a, b} {
		if err != nil && !errors.Is(err, checkpoint.ErrMoved) && !errors.Is(err, checkpoint.ErrNotFound) {
			j.t.Fatalf("it does not start because %v", err)
		}
	}
}

// arrived checks that the copy is done, with the content that the source had, and that doing it again does nothing.
func (j *journey) arrived(from, to string, id core.ApplicationID, want map[string]any) {
	j.t.Helper()
	j.one(from, to)
	if err := j.startable(from); !errors.Is(err, checkpoint.ErrApplication) || !strings.Contains(err.Error(), to) {
		j.t.Fatalf("a start in the source: %v; want it told to go to %s", err, to)
	}
	gotID, got := j.content(to)
	if gotID != id || !reflect.DeepEqual(got, want) {
		j.t.Fatalf("the target has application %s with %v\nwant %s with %v", gotID, got, id, want)
	}
	before := len(keysOf(j.t, j.buckets[to])) + len(keysOf(j.t, j.buckets[from]))
	if _, err := j.run(from, to, false, -1, false); err != nil {
		j.t.Fatalf("repeated when all is done: %v", err)
	}
	if after := len(keysOf(j.t, j.buckets[to])) + len(keysOf(j.t, j.buckets[from])); after != before {
		j.t.Fatalf("repeated when all was done, it made objects: %d, then %d", before, after)
	}
}

func keysOf(t testing.TB, b *membucket.Bucket) []string {
	t.Helper()
	keys, err := b.List(t.Context(), "", "", 1e6)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// The process is killed at every request in turn, before it or before its answer: there is always one bucket in which the application
// starts, and the command repeated ends what it began.
func TestMoveIsKilledAnywhere(t *testing.T) {
	begin := newJourney(t)
	id, want := begin.content(fromURL)
	for _, late := range []bool{false, true} {
		kills := 0
		for ; ; kills++ {
			j := begin.fresh()
			_, err := j.run(fromURL, toURL, false, kills, late)
			j.one(fromURL, toURL)
			if err == nil {
				break
			}
			if _, err := j.run(fromURL, toURL, false, -1, false); err != nil {
				t.Fatalf("repeated after a kill at request %d: %v", kills, err)
			}
			j.arrived(fromURL, toURL, id, want)
		}
		t.Logf("killed at each of %d requests", kills)
		if kills < 30 {
			t.Error("that are too few")
		}
	}
}

// Many kills in a row, with processes that lead wherever the application starts in between, and the way back.
func TestMoveAmongKillsAndLeaders(t *testing.T) {
	begin := newJourney(t)
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 0))
		j := begin.fresh()
		from, to := fromURL, toURL
		id, want := j.content(from)
		led := 0
		for trips := 0; trips < 3; {
			_, err := j.run(from, to, false, random.IntN(90+10*led), random.IntN(2) == 0)
			j.one(from, to)
			if led < 8 && random.IntN(3) == 0 {
				here := from
				if j.startable(from) != nil {
					here = to
				}
				led++
				j.lead(here, fmt.Sprintf("1/led %d", led))
				_, want = j.content(here)
				err = errKilled // whether it is done, the next try tells
			}
			if err != nil {
				continue
			}
			j.arrived(from, to, id, want)
			from, to = to, from
			trips++
		}
	}
}

// lead leads the application in a bucket for one checkpoint.
func (j *journey) lead(url, key string) {
	j.t.Helper()
	w := &world{t: j.t, bucket: &membucket.Faulty{Under: j.buckets[url]}, now: j.now, random: j.random}
	app, err := checkpoint.OpenApplication(j.t.Context(), w.bucket, "shop", w.options())
	j.must(err)
	w.app = app
	l := w.claim(j.random.Uint64())
	l.commit(checkpoint.Commit{Segments: []*checkpoint.Segment{l.segment(shardOne(key, "v"))}})
	for range 3 {
		_, err := l.collector.Collect(j.t.Context(), l.reign, l.state, 1000)
		j.must(err)
	}
}

// A fork leaves the source alone, wherever it is killed, and has an id of its own.
func TestForkIsKilledAnywhere(t *testing.T) {
	begin := newJourney(t)
	id, want := begin.content(fromURL)
	source := keysOf(t, begin.buckets[fromURL])
	for _, late := range []bool{false, true} {
		for kills := 0; ; kills++ {
			j := begin.fresh()
			_, err := j.run(fromURL, toURL, true, kills, late)
			if got := keysOf(t, j.buckets[fromURL]); !reflect.DeepEqual(got, source) {
				t.Fatalf("a fork changed the source: %v", got)
			}
			done := err == nil
			if !done && j.startable(toURL) != nil {
				if _, err := j.run(fromURL, toURL, true, -1, false); err != nil {
					t.Fatalf("repeated after a kill at request %d: %v", kills, err)
				}
			}
			if err := j.startable(toURL); err != nil {
				t.Fatal(err)
			}
			gotID, got := j.content(toURL)
			if gotID == id || !reflect.DeepEqual(got, want) {
				t.Fatalf("the fork has id %s (the source %s) and %v\nwant %v", gotID, id, got, want)
			}
			if _, err := j.run(fromURL, toURL, true, -1, false); !errors.Is(err, checkpoint.ErrTaken) {
				t.Fatalf("a fork onto a fork: %v", err)
			}
			if done {
				break
			}
		}
	}
}

func TestCopyRefuses(t *testing.T) {
	begin := newJourney(t)
	other := &membucket.Bucket{}
	_, err := checkpoint.CreateApplication(t.Context(), other, "shop", 4, begin.options())
	begin.must(err)
	for _, c := range []struct {
		name string
		make func(j *journey)
		fork bool
		want error
	}{
		{"a target with another application", func(j *journey) { j.buckets[toURL] = other.Clone() }, false, checkpoint.ErrTaken},
		{"the same for a fork", func(j *journey) { j.buckets[toURL] = other.Clone() }, true, checkpoint.ErrTaken},
		{"the source itself", func(j *journey) { j.buckets[toURL] = j.buckets[fromURL] }, false, checkpoint.ErrTaken},
		{"a target with something else below the name", func(j *journey) { j.must(j.buckets[toURL].Create(t.Context(), "shop/notes", nil)) }, false, checkpoint.ErrTaken},
		{"a source without the application", func(j *journey) { j.buckets[fromURL] = &membucket.Bucket{} }, false, checkpoint.ErrNotFound},
		{"a source without a checkpoint", func(j *journey) { j.buckets[fromURL] = other.Clone() }, false, checkpoint.ErrApplication},
		{"a source of another format", func(j *journey) {
			j.buckets[fromURL].Damage("shop/application", func(b []byte) []byte { b[7] = 2; return resealed(b) })
		}, false, checkpoint.ErrDamaged},
	} {
		j := begin.fresh()
		c.make(j)
		before := [2][]string{keysOf(t, j.buckets[fromURL]), keysOf(t, j.buckets[toURL])}
		if _, err := j.run(fromURL, toURL, c.fork, -1, false); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if after := [2][]string{keysOf(t, j.buckets[fromURL]), keysOf(t, j.buckets[toURL])}; !reflect.DeepEqual(before, after) {
			t.Errorf("%s: it changed something: %v", c.name, after)
		}
	}
}

// Damage in the source is found before the source ends; damage on the way is found in the target, and mended by doing it again.
func TestCopyFindsDamage(t *testing.T) {
	begin := newJourney(t)
	id, want := begin.content(fromURL)
	for _, key := range keysOf(t, begin.buckets[fromURL]) {
		if !strings.Contains(key, "/bases/") && !strings.Contains(key, "/segments/") {
			continue
		}
		j := begin.fresh()
		j.buckets[fromURL].Damage(key, func(b []byte) []byte { b[len(b)/2] ^= 4; return b })
		_, err := j.run(fromURL, toURL, false, -1, false)
		if err == nil {
			continue // nothing refers to it any more
		}
		if !errors.Is(err, checkpoint.ErrDamaged) || j.startable(fromURL) != nil {
			t.Errorf("%s is damaged: %v; a start in the source: %v", key, err, j.startable(fromURL))
		}
		j.buckets[fromURL].Damage(key, func(b []byte) []byte { b[len(b)/2] ^= 4; return b })
		if _, err := j.run(fromURL, toURL, false, -1, false); err != nil {
			t.Errorf("with %s as it was before: %v", key, err)
		}
		j.arrived(fromURL, toURL, id, want)
	}
}

// A start in a target that is not done is refused with the command that ends it, also by a process that would create an application there.
func TestUnfinishedTargetIsNotCreatedAnew(t *testing.T) {
	j := newJourney(t)
	for kills := 8; j.startable(fromURL) == nil; kills++ {
		j.buckets[toURL] = &membucket.Bucket{}
		if _, err := j.run(fromURL, toURL, false, kills, false); err == nil || j.startable(fromURL) != nil {
			return // from here on it starts in the target
		}
		app, err := checkpoint.CreateApplication(t.Context(), j.buckets[toURL].Clone(), "shop", 4, j.options())
		begun := len(keysOf(t, j.buckets[toURL])) > 0
		if begun && err == nil {
			_, err = j.await(t.Context(), app.Log())
		}
		if begun && (!errors.Is(err, checkpoint.ErrMoved) || !strings.Contains(err.Error(), "checkpoint copy")) {
			t.Fatalf("after %d requests: %v", kills, err)
		}
	}
}
