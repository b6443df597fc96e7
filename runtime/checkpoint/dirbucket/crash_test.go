package dirbucket_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
	"github.com/stateway/stateway/runtime/core"
)

// points are all named points.
var points = []dirbucket.Point{
	dirbucket.AtFolderMade, dirbucket.AtTempWritten, dirbucket.AtTempSynced, dirbucket.AtLinked, dirbucket.AtCreated,
	dirbucket.AtDeleted, dirbucket.AtMarkerSynced, dirbucket.AtSwapped, dirbucket.AtSwapSynced,
}

const (
	logFolder  = "app/control/00000000000000000000"
	nextFolder = "app/control/00000000000000000001"
)

func logEntry(n int) string { return fmt.Sprintf("app/control/%020d/%020d", n/4096, n) }

// body is the one body that a key may ever have.
func body(key string) string { return strings.Repeat(key+" ", 1+len(key)*7) }

// acknowledged is what a bucket has promised so far.
type acknowledged struct {
	created map[string]bool
	deleted map[string]bool // was asked to delete: may be there or not
	cut     string          // "", "asked", "done": the deletion of logFolder
}

func (a *acknowledged) clone() acknowledged {
	return acknowledged{created: maps.Clone(a.created), deleted: maps.Clone(a.deleted), cut: a.cut}
}

// work creates and deletes, across the border of two folders of a control log, and cuts the first.
func work(t *testing.T, b *dirbucket.Bucket, a *acknowledged) {
	ctx := t.Context()
	create := func(key string) {
		if err := b.Create(ctx, key, []byte(body(key))); err != nil {
			t.Fatal(err)
		}
		a.created[key] = true
	}
	for i := range 3 {
		key := fmt.Sprintf("app/segments/%d", i)
		if err := b.CreateFrom(ctx, key, strings.NewReader(body(key)), int64(len(body(key)))); err != nil {
			t.Fatal(err)
		}
		a.created[key] = true
	}
	for n := 4092; n < 4099; n++ {
		create(logEntry(n))
	}
	a.deleted["app/segments/1"] = true
	if err := b.Delete(ctx, "app/segments/1"); err != nil {
		t.Fatal(err)
	}
	a.cut = "asked"
	if err := b.DeleteFolder(ctx, logFolder); err != nil {
		t.Fatal(err)
	}
	a.cut = "done"
	create(logEntry(4099))
}

func TestCrashAtEveryPoint(t *testing.T) {
	hits := map[dirbucket.Point]int{}
	for percent := 0; percent <= 100; percent += 25 {
		disk := dirbucket.NewMem()
		a := acknowledged{created: map[string]bool{}, deleted: map[string]bool{}}
		r := rand.New(rand.NewPCG(1, uint64(percent)))
		b := open(t, "/bucket", dirbucket.Options{FS: disk, At: func(p dirbucket.Point) {
			hits[p]++
			for range 4 {
				after := disk.Crash(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: r})
				checkAfterCrash(t, fmt.Sprintf("%s, hit %d, %d%% kept", p, hits[p], percent), after, a.clone())
			}
		}})
		work(t, b, &a)
	}
	for _, p := range points {
		if hits[p] == 0 {
			t.Errorf("point %q was never passed", p)
		}
	}
}

func checkAfterCrash(t *testing.T, when string, disk *dirbucket.Mem, a acknowledged) {
	t.Helper()
	b := open(t, "/bucket", dirbucket.Options{FS: disk})
	ctx := t.Context()
	keys, err := b.List(ctx, "", "", 1000)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	marker := slices.Contains(keys, logFolder)
	if (a.cut == "" && marker) || (a.cut == "done" && !marker) {
		t.Fatalf("%s: deletion of the folder %q, marker there: %t", when, a.cut, marker)
	}
	for _, key := range keys {
		if key == logFolder {
			continue
		}
		got, err := b.Read(ctx, key)
		if err != nil || string(got) != body(key) {
			t.Fatalf("%s: %s holds %d bytes, %v; want %d", when, key, len(got), err, len(body(key)))
		}
	}
	for key := range a.created {
		below := strings.HasPrefix(key, logFolder+"/")
		if !slices.Contains(keys, key) && !a.deleted[key] && (!below || !marker) {
			t.Fatalf("%s: %s was acknowledged and is gone", when, key)
		}
		if err := b.Create(ctx, key, []byte(body(key))); err == nil && !a.deleted[key] || err != nil && !errors.Is(err, checkpoint.ErrExists) {
			t.Fatalf("%s: create of the acknowledged %s: %v", when, key, err)
		}
	}
	if marker {
		for n := range 3 {
			if err := b.Create(ctx, logEntry(4092+n), nil); !errors.Is(err, checkpoint.ErrExists) {
				t.Fatalf("%s: create below a deleted folder: %v", when, err)
			}
		}
	}
	if a.created[logEntry(4096)] {
		if err := b.Create(ctx, logEntry(4200), []byte(body(logEntry(4200)))); err != nil {
			t.Fatalf("%s: the log cannot go on: %v", when, err)
		}
	}
}

// leading is a leader's work over a disk that crashes at a point in the middle of it.
type leading struct {
	t     *testing.T
	now   time.Duration
	acked core.CheckpointID
}

func (l *leading) options(seed byte) checkpoint.Options {
	return checkpoint.Options{Random: rand.NewChaCha8([32]byte{seed}), Clock: func() time.Duration { return l.now }}
}

// lead claims, then commits segments and bases and collects.
func (l *leading) lead(b checkpoint.Bucket, seed byte, commits int) {
	ctx := l.t.Context()
	must := func(err error) {
		l.t.Helper()
		if err != nil {
			l.t.Fatal(err)
		}
	}
	app, err := checkpoint.CreateApplication(ctx, b, "app", 4, l.options(seed))
	must(err)
	tail, err := app.Log().FindTail(ctx, 0)
	must(err)
	reign, collector := app.Log().NewReign(tail), app.NewCollector()
	e, err := reign.Append(ctx, checkpoint.Entry{Claim: &checkpoint.Claim{Nonce: uint64(seed)}})
	must(err)
	s, err := app.Log().StateBelow(ctx, e.Number, 1)
	must(err)
	for i := range commits {
		w, err := app.NewSegment(reign.Lineage().Generation, s.Checkpoint+1, 0)
		must(err)
		section, err := checkpoint.EncodeSection(slices.Values([]core.Row{{Key: []byte{byte(i)}, Value: make([]byte, 5000)}}), core.Seq(i))
		must(err)
		must(w.Add(core.ShardID(i%4), section)) //nolint:gosec // small
		seg, err := w.Upload(ctx)
		must(err)
		c := checkpoint.Commit{Checkpoint: s.Checkpoint + 1, Time: s.Time, Segments: []*checkpoint.Segment{seg}}
		if i%3 == 2 {
			c.Bases = []*checkpoint.Base{l.base(app, reign, s, core.ShardID(i%4))} //nolint:gosec // small
		}
		m, err := s.Next(c, reign.Lineage())
		must(err)
		e, err := reign.Append(ctx, checkpoint.Entry{Manifest: m})
		must(err)
		must(s.Apply(e.Number, e.Manifest))
		l.acked = s.Checkpoint
		collector.Committed(e.Manifest)
		_, err = collector.Collect(ctx, reign, s, 10)
		must(err)
	}
}

func (l *leading) base(app *checkpoint.Application, r *checkpoint.Reign, s *checkpoint.State, shard core.ShardID) *checkpoint.Base {
	fs := vfs.NewMem()
	f, err := fs.Create("000001.sst", vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(make([]byte, 9000))
	}
	if err != nil {
		l.t.Fatal(err)
	}
	b, err := app.UploadBase(l.t.Context(), r.Lineage().Generation, checkpoint.BaseSource{FS: fs, Dir: "", Shard: shard, Checkpoint: s.Checkpoint}, s.Bases[shard])
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

// Whatever point a crash strikes, all that was acknowledged is there afterwards, and nothing that the
// newest manifest refers to is missing or damaged.
func TestCheckpointsSurviveCrashes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for percent := 0; percent <= 100; percent += 50 {
		disk := dirbucket.NewMem()
		l := &leading{t: t}
		check := func(when dirbucket.Point) {
			after := disk.Crash(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: r})
			b := open(t, "/bucket", dirbucket.Options{FS: after})
			if l.acked == 0 {
				return
			}
			report, err := checkpoint.Verify(context.Background(), b, "app", l.options(99))
			if err != nil || report.Problems != nil {
				t.Fatalf("crash at %q after checkpoint %d: %v %v", when, l.acked, err, report.Problems)
			}
			if report.State.Checkpoint < l.acked {
				t.Fatalf("crash at %q: checkpoint %d was acknowledged, the log ends with %d", when, l.acked, report.State.Checkpoint)
			}
			if r.IntN(10) == 0 {
				next := &leading{t: t}
				next.lead(b, byte(r.IntN(100)), 5) //nolint:gosec // small
			}
		}
		b := open(t, "/bucket", dirbucket.Options{FS: disk, At: check})
		l.lead(b, 1, 20)
		l.lead(b, 2, 20)
	}
}

// brokenSync is a disk whose syncs of folders fail while broken.
type brokenSync struct {
	dirbucket.FS
	broken bool
}

func (f *brokenSync) OpenDir(name string) (vfs.File, error) {
	d, err := f.FS.OpenDir(name)
	return &brokenFile{File: d, fs: f}, err
}

type brokenFile struct {
	vfs.File
	fs *brokenSync
}

func (f *brokenFile) Sync() error {
	if f.fs.broken {
		return errors.New("input/output error")
	}
	return f.File.Sync()
}

func TestAFailedSyncIsNeverForgotten(t *testing.T) {
	disk := &brokenSync{FS: dirbucket.NewMem()}
	b := open(t, "/bucket", dirbucket.Options{FS: disk})
	if err := b.Create(t.Context(), "app/a", nil); err != nil {
		t.Fatal(err)
	}
	disk.broken = true
	if err := b.Create(t.Context(), "app/b", nil); !errors.Is(err, checkpoint.ErrUnknownOutcome) {
		t.Fatalf("create whose folder was not synced: %v", err)
	}
	disk.broken = false
	for _, key := range []string{"app/b", "app/c", "app/a"} {
		err := b.Create(t.Context(), key, nil)
		if !errors.Is(err, checkpoint.ErrUnknownOutcome) || errors.Is(err, checkpoint.ErrExists) || !strings.Contains(err.Error(), "restart") {
			t.Errorf("create %s after a failed sync: %v", key, err)
		}
	}
	if err := open(t, "/bucket", dirbucket.Options{FS: disk}).Create(t.Context(), "app/c", nil); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
}

func TestOnlyTheNextLogFolderIsMade(t *testing.T) {
	b := open(t, t.TempDir(), dirbucket.Options{})
	ctx := t.Context()
	if err := b.Create(ctx, logEntry(1), nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{4096, 4097, 8192} {
		if err := b.Create(ctx, logEntry(n), nil); err == nil || errors.Is(err, checkpoint.ErrExists) {
			t.Errorf("number %d behind number 1: %v", n, err)
		}
	}
	for _, n := range []int{4095, 4096, 8191} {
		if err := b.Create(ctx, logEntry(n), nil); err != nil {
			t.Fatal(err)
		}
	}
	sleeper := open(t, strings.TrimSuffix(b.Root(), "/"), dirbucket.Options{})
	if err := sleeper.Create(ctx, logEntry(4097), nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.DeleteFolder(ctx, logFolder), b.Create(ctx, logEntry(8192), nil), b.DeleteFolder(ctx, nextFolder)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{2, 4095, 4096, 4098, 5000} {
		for _, who := range []*dirbucket.Bucket{b, sleeper} {
			if err := who.Create(ctx, logEntry(n), nil); !errors.Is(err, checkpoint.ErrExists) {
				t.Errorf("number %d in a deleted folder: %v", n, err)
			}
		}
	}
}

// A process has linked the last number of a folder and not synced it yet. Another builds on it, in
// the next folder: a crash must not leave the second without the first.
func TestNobodyBuildsOnWhatACrashCanUndo(t *testing.T) {
	for _, pair := range [][2]int{{4094, 4095}, {4095, 4096}} {
		disk := dirbucket.NewMem()
		other := open(t, "/bucket", dirbucket.Options{FS: disk})
		if err := other.Create(t.Context(), logEntry(4000), nil); err != nil {
			t.Fatal(err)
		}
		paused := false
		b := open(t, "/bucket", dirbucket.Options{FS: disk, At: func(p dirbucket.Point) {
			if p != dirbucket.AtLinked {
				return
			}
			paused = true
			if err := other.Create(t.Context(), logEntry(pair[1]), nil); err != nil {
				t.Fatal(err)
			}
			after := open(t, "/bucket", dirbucket.Options{FS: disk.Crash(vfs.CrashCloneCfg{})})
			for _, n := range pair {
				if _, err := after.Read(t.Context(), logEntry(n)); err != nil {
					t.Errorf("numbers %d: number %d after the crash: %v", pair, n, err)
				}
			}
		}})
		if err := b.Create(t.Context(), logEntry(pair[0]), nil); err != nil || !paused {
			t.Fatalf("paused: %t, %v", paused, err)
		}
	}
}
