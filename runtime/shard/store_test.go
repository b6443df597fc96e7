package shard_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
	"github.com/stateway/stateway/runtime/shard/shardtest"
)

// states are rows of Addresses first to first+count with values of size bytes.
func states(first, count, size int) []core.Row {
	rows := make([]core.Row, count)
	for i := range rows {
		a := core.Address{Type: "a/b", ID: fmt.Sprint(first + i)}
		rows[i] = core.Row{Key: core.StateKey(a, "s"), Value: bytes.Repeat([]byte{byte(first + i)}, size)}
	}
	return rows
}

func mustCommit(t *testing.T, s *shard.Store, n core.CheckpointID, rows []core.Row) {
	t.Helper()
	if err := s.Commit(n, 0, shardtest.Overlay(rows)); err != nil {
		t.Fatal(err)
	}
}

func TestAShardWithoutRowsHasNoDirectory(t *testing.T) {
	fs := vfs.NewMem()
	before := runtime.NumGoroutine()
	set := mustOpen(t, shard.Options{FS: fs})
	for id := range core.ShardID(64) {
		mustCommit(t, mustStore(t, set, id), 1, nil)
	}
	if names, err := fs.List("/data/shards"); err != nil || len(names) != 0 {
		t.Errorf("directories %v, %v", names, err)
	}
	if n := runtime.NumGoroutine() - before; n > 8 {
		t.Errorf("%d goroutines for nothing", n)
	}
	if m := set.Metrics(); m.Shards != 0 || m.DiskBytes != 0 {
		t.Errorf("metrics: %+v", m)
	}
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherProcessIsTold(t *testing.T) {
	if dir := os.Getenv("SHARD_TEST_DIR"); dir != "" {
		_, err := shard.Open(shard.Options{Dir: dir, Log: quiet()})
		fmt.Println("locked:", errors.Is(err, shard.ErrLocked), err)
		return
	}
	dir := t.TempDir()
	set := mustOpen(t, shard.Options{Dir: dir})
	defer func() { _ = set.Close() }()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAnotherProcessIsTold$") //nolint:gosec // this test
	cmd.Env = append(os.Environ(), "SHARD_TEST_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "locked: true") || !strings.Contains(string(out), "another --data") {
		t.Errorf("the second process said %q, %v", out, err)
	}
}

func TestABaseNamesWhatIsNew(t *testing.T) {
	set := mustOpen(t, shard.Options{FS: vfs.NewMem()})
	defer func() { _ = set.Close() }()
	s := mustStore(t, set, 0)
	mustCommit(t, s, 1, states(0, 20_000, 200))
	old, err := s.Base()
	if err != nil {
		t.Fatal(err)
	}
	// A compaction in between rewrites tables, but there is not one between any two bases.
	fresh := int64(0)
	for n := core.CheckpointID(2); n < 20; n++ {
		mustCommit(t, s, n, states(100_000*int(n), 10, 200))
		next, err := s.Base()
		if err != nil {
			t.Fatal(err)
		}
		if fresh = newBytes(old, next); fresh <= 20_000 {
			err = next.Close()
		} else {
			err = old.Close()
			old = next
		}
		if err != nil {
			t.Fatal(err)
		}
		if fresh <= 20_000 {
			break
		}
	}
	if old.Bytes() < 100_000 || fresh > 20_000 {
		t.Errorf("%d bytes of a base of %d are new", fresh, old.Bytes())
	}
	if old.PebbleFormat != int(shard.PebbleFormat) {
		t.Errorf("format %d", old.PebbleFormat)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
}

// newBytes is the size of next's files that old does not have.
func newBytes(old, next *shard.Base) int64 {
	fresh := int64(0)
	for _, f := range next.Files {
		if !slices.Contains(old.Files, f) {
			fresh += f.Size
		}
	}
	return fresh
}

// countFS counts the bytes that are read of tables and blobs.
type countFS struct {
	vfs.FS
	read atomic.Int64
}

func (c *countFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := c.FS.Open(name, opts...)
	if err != nil {
		return nil, err
	}
	return &countFile{File: f, fs: c}, nil
}

type countFile struct {
	vfs.File
	fs *countFS
}

func (f *countFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.fs.read.Add(int64(n))
	return n, err
}

func TestSweepsStepOverLargeValues(t *testing.T) {
	fs := &countFS{FS: vfs.NewMem()}
	set := mustOpen(t, shard.Options{FS: fs, CacheBytes: 1 << 20})
	defer func() { _ = set.Close() }()
	s := mustStore(t, set, 0)
	rows := states(0, 40, 1<<20)
	for i := range 40 {
		a := core.Address{Type: "a/b", ID: fmt.Sprint(i)}
		access := append(core.AddressPrefix(core.TableAddress, a), core.SubAccess, 's')
		rows = append(rows, core.Row{Key: access, Value: core.AppendMillis(nil, 1)},
			core.Row{Key: core.MailboxKey(a, 1), Value: append([]byte{0, 0}, make([]byte, 1<<20)...)})
	}
	mustCommit(t, s, 1, rows)
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	fs.read.Store(0)
	e, err := s.ReadExpiring(core.ReadExpiring{Limit: 1000})
	if err != nil || len(e.Accesses) != 40 {
		t.Errorf("%d access rows, %v", len(e.Accesses), err)
	}
	b, err := s.ReadBacklog(core.ReadBacklog{Limit: 1000})
	if err != nil || len(b.Addresses) != 40 {
		t.Errorf("%d Addresses, %v", len(b.Addresses), err)
	}
	if n := fs.read.Load(); n > 1<<20 {
		t.Errorf("%d bytes were read to find 40 rows", n)
	}
}

func TestStateLargerThanTheCache(t *testing.T) {
	set := mustOpen(t, shard.Options{Dir: t.TempDir(), CacheBytes: 1 << 20, MemTableBytes: 512 << 10})
	defer func() { _ = set.Close() }()
	s := mustStore(t, set, 0)
	const checkpoints, each, size = 40, 500, 2000
	for n := range checkpoints {
		rows := states(n*each, each, size)
		for i := range rows {
			for j := range rows[i].Value {
				rows[i].Value[j] = byte(i * j * (n + 1)) // does not compress well
			}
		}
		mustCommit(t, s, core.CheckpointID(n+1), rows) //nolint:gosec // small
	}
	for i := range checkpoints * each {
		if i%37 != 0 {
			continue
		}
		a := core.Address{Type: "a/b", ID: fmt.Sprint(i)}
		if v, err := s.State(a, "s"); err != nil || len(v) != size {
			t.Fatalf("state of %v: %d bytes, %v", a, len(v), err)
		}
	}
	m := set.Metrics()
	if m.DiskBytes < 4<<20 || m.CacheBytes > 2<<20 || m.MemTableBytes > 2<<20 {
		t.Errorf("metrics: %+v", m)
	}
}

func TestManyShardsShareCompactions(t *testing.T) {
	set := mustOpen(t, shard.Options{FS: vfs.NewMem(), MemTableBytes: 256 << 10, Compactions: 1})
	var stores []*shard.Store
	for id := range core.ShardID(6) {
		stores = append(stores, mustStore(t, set, id))
	}
	for n := core.CheckpointID(1); n <= 30; n++ {
		for _, s := range stores {
			mustCommit(t, s, n, states(0, 300, 500))
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range stores {
		if m := s.Metrics(); m.Compactions == 0 || m.L0Sublevels >= 24 {
			t.Errorf("shard %d was left behind: %+v", s.Shard(), m)
		}
	}
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := shard.Open(shard.Options{CacheBytes: -1, MemTableBytes: 1, OpenFiles: 1, Compactions: -1})
	for _, field := range []string{"Dir", "CacheBytes", "MemTableBytes", "OpenFiles", "Compactions"} {
		if err == nil || !strings.Contains(err.Error(), "shard.Options."+field) {
			t.Errorf("%s is not named: %v", field, err)
		}
	}
}

func TestMemoryFaultsAreFatal(t *testing.T) {
	m := new(shard.Memory)
	told := 0
	set := mustOpen(t, shard.Options{Memory: m, Fatal: func(error) { told++ }})
	s := mustStore(t, set, 1)
	mustCommit(t, s, 1, states(0, 3, 10))
	m.Fault(func(core.ShardID) error { return errors.New("the disk is full") })
	for range 2 {
		if err := s.Commit(2, 0, shardtest.Overlay(states(0, 3, 11))); !errors.Is(err, shard.ErrStore) {
			t.Errorf("commit: %v", err)
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	m.Crash(nil)
	m.Fault(nil)
	set = mustOpen(t, shard.Options{Memory: m})
	if s = mustStore(t, set, 1); !s.Empty() {
		t.Error("what was not flushed is there")
	}
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
}
