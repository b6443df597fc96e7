package shard_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
	"github.com/stateway/stateway/runtime/shard/shardtest"
)

var anyStore = shard.Want{Point: 1 << 40}

func mustOpen(t *testing.T, o shard.Options) *shard.Set {
	t.Helper()
	if o.Dir == "" {
		o.Dir = "/data"
	}
	o.Log = quiet()
	s, err := shard.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustStore(t *testing.T, s *shard.Set, id core.ShardID) *shard.Store {
	t.Helper()
	st, err := s.Store(id, anyStore)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// wide draws rows that fill small tables quickly: every checkpoint changes some of 2,000 states.
func wide(r *rand.Rand, n int) []core.Row {
	rows := make(map[string]core.Row)
	for range n {
		a := core.Address{Type: "a/b", ID: fmt.Sprint(r.IntN(2000))}
		row := core.Row{Key: core.StateKey(a, "s"), Value: bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(2000)), Delete: r.IntN(8) == 0}
		if r.IntN(100) == 0 {
			row.Value = bytes.Repeat([]byte{byte(r.IntN(256))}, 30_000) // beyond what stays in a table
		}
		rows[string(row.Key)] = row
	}
	out := make([]core.Row, 0, len(rows))
	for _, row := range rows {
		out = append(out, row)
	}
	return out
}

// TestCrashAtAnyMoment takes copies of a disk while commits, flushes and compactions are under way. Whatever of the
// unsynced bytes is in a copy, it opens at a committed checkpoint and holds that one's rows.
func TestCrashAtAnyMoment(t *testing.T) {
	fs := vfs.NewCrashableMem()
	set := mustOpen(t, shard.Options{FS: fs, MemTableBytes: 256 << 10})
	s := mustStore(t, set, 1)
	r := rand.New(rand.NewPCG(11, 1)) //nolint:gosec // a test
	history := []shardtest.Model{{}}
	var copies []*vfs.MemFS
	var mu sync.Mutex
	snap := func(r *rand.Rand) {
		mu.Lock()
		defer mu.Unlock()
		copies = append(copies, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(5) * 25, RNG: r}))
	}
	for n := core.CheckpointID(1); n <= 60; n++ {
		rows := wide(r, 1+r.IntN(400))
		m := maps.Clone(history[n-1])
		m.Apply(rows)
		history = append(history, m)
		var snapping sync.WaitGroup
		if n%3 == 0 {
			snapping.Go(func() { snap(rand.New(rand.NewPCG(uint64(n), 2))) }) //nolint:gosec // a test
		}
		if err := s.Commit(n, 0, shardtest.Overlay(rows)); err != nil {
			t.Fatal(err)
		}
		snapping.Wait()
	}
	shardtest.Same(t, s, history[60])
	m := set.Metrics()
	if m.Flushes < 5 || m.Compactions == 0 {
		t.Errorf("too little happened: %+v", m)
	}
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
	reached := map[core.CheckpointID]bool{}
	for _, disk := range copies {
		again := mustOpen(t, shard.Options{FS: disk})
		st := mustStore(t, again, 1)
		shardtest.Same(t, st, history[st.Meta().Checkpoint])
		reached[st.Meta().Checkpoint] = true
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(reached) < 3 {
		t.Errorf("the copies were at %v only", reached)
	}
}

// TestDamagedFiles changes one byte of one file at a time. A damaged store says so or holds a committed checkpoint; it
// never takes the process down, and a start after it said so begins with an empty store.
func TestDamagedFiles(t *testing.T) {
	fs := vfs.NewCrashableMem()
	set := mustOpen(t, shard.Options{FS: fs})
	s := mustStore(t, set, 1)
	history := []shardtest.Model{{}}
	r := rand.New(rand.NewPCG(5, 1)) //nolint:gosec // a test
	for n := core.CheckpointID(1); n <= 4; n++ {
		rows := wide(r, 300)
		history = append(history, maps.Clone(history[n-1]))
		history[n].Apply(rows)
		if err := s.Commit(n, 0, shardtest.Overlay(rows)); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
	const dir = "/data/shards/00001"
	names, err := fs.CrashClone(vfs.CrashCloneCfg{}).List(dir)
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "LOCK" || strings.HasPrefix(n, "marker") })
	found := 0
	for range 15 {
		for _, name := range names {
			disk := fs.CrashClone(vfs.CrashCloneCfg{})
			if flipByte(t, disk, disk.PathJoin(dir, name), r) && readDamaged(t, disk, history) {
				found++
			}
		}
	}
	if found == 0 {
		t.Error("no damage was noticed")
	}
}

// Damage that hides even the description is told; that there is nothing yet is not.
func TestLostFilesAreTold(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		fs := vfs.NewCrashableMem()
		set := mustOpen(t, shard.Options{FS: fs})
		s := mustStore(t, set, 1)
		if err := s.Commit(1, 0, shardtest.Overlay(wide(rand.New(rand.NewPCG(5, 1)), 3))); err != nil { //nolint:gosec // a test
			t.Fatal(err)
		}
		disk := fs.CrashClone(vfs.CrashCloneCfg{}) // nothing was flushed
		if damaged {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
			disk = fs.CrashClone(vfs.CrashCloneCfg{})
			spoilTables(t, disk, "/data/shards/00001")
		}
		_ = set.Close()
		var log bytes.Buffer
		set, err := shard.Open(shard.Options{Dir: "/data", FS: disk, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if s, err = set.Store(1, anyStore); err != nil || !s.Empty() {
			t.Errorf("damaged %t: the store is empty: %t; error %v", damaged, s.Empty(), err)
		}
		if err := set.Close(); err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(log.String(), "level=WARN"); told != damaged {
			t.Errorf("damaged %t, and this was told: %s", damaged, &log)
		}
	}
}

// spoilTables changes the beginning of every table in a folder.
func spoilTables(t *testing.T, fs *vfs.MemFS, dir string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		f, err := fs.OpenReadWrite(fs.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt(make([]byte, 16), 0)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// flipByte changes a byte of a file, if it has one.
func flipByte(t *testing.T, fs *vfs.MemFS, path string, r *rand.Rand) bool {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(f)
	_ = f.Close()
	if err != nil || len(body) == 0 {
		return false
	}
	body[r.IntN(len(body))] ^= 1 << r.IntN(8)
	to, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = to.Write(body)
	if err = errors.Join(err, to.Sync(), to.Close()); err != nil {
		t.Fatal(err)
	}
	return true
}

func readDamaged(t *testing.T, fs *vfs.MemFS, history []shardtest.Model) (noticed bool) {
	t.Helper()
	set := mustOpen(t, shard.Options{FS: fs})
	st, err := set.Store(1, anyStore)
	if err != nil {
		t.Fatalf("damaged files were not deleted: %v", err)
	}
	if st.Empty() {
		_ = set.Close()
		return true
	}
	_, _, err = st.Rows(nil, 1<<20, 1<<30)
	if err == nil { // a manifest that ends early is an older one
		shardtest.Same(t, st, history[st.Meta().Checkpoint])
		_ = set.Close()
		return false
	}
	if !errors.Is(err, shard.ErrStore) {
		t.Errorf("a damaged store: %v", err)
	}
	_, again := st.LoadAddress(core.LoadAddress{})
	if !errors.Is(again, shard.ErrStore) {
		t.Errorf("a store that failed goes on: %v", again)
	}
	disk := fs.CrashClone(vfs.CrashCloneCfg{}) // a new process
	_ = set.Close()
	set = mustOpen(t, shard.Options{FS: disk})
	defer func() { _ = set.Close() }()
	if st = mustStore(t, set, 1); !st.Empty() {
		t.Error("damaged files were opened again")
	}
	return true
}

func TestDiskErrorsAreFatal(t *testing.T) {
	for name, c := range map[string]struct {
		op   errorfs.OpReadWrite
		path string
		err  error
	}{
		"writing a table":    {errorfs.OpIsWrite, ".sst", syscall.ENOSPC},
		"writing a manifest": {errorfs.OpIsWrite, "MANIFEST", syscall.EIO},
		"reading a table":    {errorfs.OpIsRead, ".sst", syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			var on atomic.Bool
			fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if on.Load() && op.Kind.ReadOrWrite() == c.op && strings.Contains(op.Path, c.path) {
					return c.err
				}
				return nil
			}))
			var told atomic.Int32
			set := mustOpen(t, shard.Options{FS: fs, CacheBytes: 1, MemTableBytes: 256 << 10, Fatal: func(err error) {
				if told.Add(1) != 1 || !errors.Is(err, shard.ErrStore) {
					t.Errorf("told %v", err)
				}
			}})
			st := mustStore(t, set, 3)
			r := rand.New(rand.NewPCG(5, 1)) //nolint:gosec // a test
			err := st.Commit(1, 0, shardtest.Overlay(wide(r, 500)))
			if err = errors.Join(err, st.Flush()); err != nil {
				t.Fatal(err)
			}
			on.Store(true)
			for n := core.CheckpointID(2); err == nil && n < 100; n++ {
				if c.op == errorfs.OpIsRead {
					_, _, err = st.Rows(nil, 1<<20, 1<<30)
				} else {
					err = errors.Join(st.Commit(n, 0, shardtest.Overlay(wide(r, 100))))
				}
			}
			on.Store(false) // so that Close ends: Pebble tries a flush again for ever
			if !errors.Is(err, shard.ErrStore) || !strings.Contains(err.Error(), "shard 3") {
				t.Errorf("got %v", err)
			}
			for range 1000 { // who met the error tells of it, perhaps a moment after the one who got it here
				if told.Load() > 0 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if told.Load() != 1 {
				t.Errorf("told %d times", told.Load())
			}
			_ = set.Close()
		})
	}
}
