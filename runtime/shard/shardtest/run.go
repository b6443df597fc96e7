package shardtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// Disk is what a Set lies on, through restarts and crashes.
type Disk struct {
	// Options are those of a Set on the disk as it is now; the suite fills in the application.
	Options func() shard.Options
	// Crash loses what was not made durable, or some of it. Sets that are open keep what they had, and are closed later.
	// Nil leaves out what needs it.
	Crash func()
}

var app = core.ApplicationID{1, 2, 3}

// all takes whatever checkpoint lies on the disk.
var all = shard.Want{Point: 1 << 40}

// Run runs the suite; newDisk gives an empty disk.
func Run(t *testing.T, newDisk func(t *testing.T) Disk) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, d Disk)
	}{
		{"a shard without rows has no database and answers", testEmpty},
		{"the last overlay of a commit wins", testCommit},
		{"a commit that is wrong changes nothing", testRefused},
		{"reads answer as a plain map does", testReads},
		{"a read sees all of a commit or nothing", testAtomic},
		{"a flushed store is found again", testReopen},
		{"after a crash a store is at a committed checkpoint", testCrash},
		{"a base restores its checkpoint", testBase},
		{"files that are no base are refused", testBadBase},
		{"a local store is used only if it fits", testUsable},
		{"a data directory belongs to one Set and keeps its id", testLock},
		{"a value of 16 MiB works", testLarge},
		{"a closed store says so", testClosed},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, newDisk(t)) })
	}
}

// Open opens a Set that is closed when the test ends.
func (d Disk) open(t testing.TB) *shard.Set {
	t.Helper()
	o := d.Options()
	o.Application = app
	s, err := shard.Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { shut(t, s) })
	return s
}

func shut(t testing.TB, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func store(t testing.TB, s *shard.Set, id core.ShardID, want shard.Want) *shard.Store {
	t.Helper()
	st, err := s.Store(id, want)
	if err != nil {
		t.Fatalf("store %d: %v", id, err)
	}
	return st
}

func commit(t testing.TB, s *shard.Store, n core.CheckpointID, rows ...[]core.Row) {
	t.Helper()
	overlays := make([]iter.Seq[core.Row], len(rows))
	for i := range rows {
		overlays[i] = Overlay(rows[i])
	}
	if err := s.Commit(n, core.Seq(n)*10, overlays...); err != nil {
		t.Fatalf("commit %d: %v", n, err)
	}
}

func testEmpty(t *testing.T, d Disk) {
	s := store(t, d.open(t), 5, all)
	r := NewRandom(1)
	commit(t, s, 3)
	gone := r.Rows(50)
	for i := range gone {
		gone[i].Delete = true
	}
	commit(t, s, 4, gone)
	if !s.Empty() || s.Metrics() != (shard.Metrics{}) {
		t.Errorf("a database was made for no row: %+v", s.Metrics())
	}
	if m := s.Meta(); m.Checkpoint != 4 || m.NextSeq != 40 || m.Shard != 5 || m.Application != app {
		t.Errorf("meta: %+v", m)
	}
	checkReads(t, r, s, Model{})
	b, err := s.Base()
	if err != nil || len(b.Files) != 0 || b.Checkpoint != 4 || b.Bytes() != 0 {
		t.Errorf("base: %+v, %v", b, err)
	}
	shut(t, b)
}

func testCommit(t *testing.T, d Disk) {
	s := store(t, d.open(t), 0, all)
	a := core.Address{Type: "a/b", ID: "x"}
	put := func(name, v string) core.Row { return core.Row{Key: core.StateKey(a, name), Value: []byte(v)} }
	s.SetLineage("first")
	commit(t, s, 3,
		[]core.Row{put("kept", "1"), put("changed", "1"), put("deleted", "1")},
		[]core.Row{put("changed", "2"), {Key: core.StateKey(a, "deleted"), Delete: true}, {Key: core.StateKey(a, "back"), Delete: true}},
		[]core.Row{put("back", "3"), put("empty", "")})
	Same(t, s, Model{
		string(core.StateKey(a, "kept")): []byte("1"), string(core.StateKey(a, "changed")): []byte("2"),
		string(core.StateKey(a, "back")): []byte("3"), string(core.StateKey(a, "empty")): {},
	})
	if v, err := s.State(a, "empty"); v == nil || err != nil {
		t.Errorf("an empty value is no value: %v, %v", v, err)
	}
	if v, err := s.State(a, "deleted"); v != nil || err != nil {
		t.Errorf("a deleted value: %v, %v", v, err)
	}
	if m := s.Meta(); m.Lineage != "first" || m.Checkpoint != 3 || m.NextSeq != 30 {
		t.Errorf("meta: %+v", m)
	}
	s.SetLineage("second")
	if m := s.Meta(); m.Lineage != "first" {
		t.Errorf("the lineage changed before a commit: %+v", m)
	}
	commit(t, s, 4)
	if m := s.Meta(); m.Lineage != "second" || m.Checkpoint != 4 {
		t.Errorf("meta: %+v", m)
	}
}

func testRefused(t *testing.T, d Disk) {
	s := store(t, d.open(t), 0, all)
	r := NewRandom(2)
	m := make(Model)
	rows := r.Rows(40)
	commit(t, s, 5, rows)
	m.Apply(rows)
	for _, c := range []struct {
		name string
		n    core.CheckpointID
		row  core.Row
	}{
		{"the same checkpoint again", 5, r.Rows(1)[0]},
		{"an older checkpoint", 4, r.Rows(1)[0]},
		{"a row without a key", 6, core.Row{}},
		{"a key of the store", 6, core.Row{Key: []byte{0, 'm'}, Delete: true}},
		{"a key of no table", 6, core.Row{Key: []byte{0xff, 0xff}}},
	} {
		err := s.Commit(c.n, 99, Overlay(r.Rows(3)), Overlay([]core.Row{c.row}))
		if err == nil || errors.Is(err, shard.ErrStore) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	Same(t, s, m)
	if s.Meta().Checkpoint != 5 || s.Meta().NextSeq != 50 {
		t.Errorf("meta: %+v", s.Meta())
	}
	if _, err := s.Answer(core.Tick{}); err == nil || errors.Is(err, shard.ErrStore) {
		t.Errorf("answer to no read: %v", err)
	}
}

func testReads(t *testing.T, d Disk) {
	set := d.open(t)
	for seed := range uint64(4) {
		s := store(t, set, core.ShardID(seed), all)
		r := NewRandom(seed)
		m := make(Model)
		for n := core.CheckpointID(1); n <= 12; n++ {
			first, second := r.Rows(60), r.Rows(20)
			commit(t, s, n, first, second)
			m.Apply(first)
			m.Apply(second)
			checkReads(t, r, s, m)
			if r.IntN(4) == 0 {
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d, checkpoint %d", seed, n)
			}
		}
		Same(t, s, m)
	}
}

func testAtomic(t *testing.T, d Disk) {
	s := store(t, d.open(t), 0, all)
	a := core.Address{Type: "a/b", ID: "x"}
	names := []string{"a", "b", "c", "d"}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				if err := sameStates(s, a); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := core.CheckpointID(1); n <= 200; n++ {
		rows := []core.Row{{Key: core.MailboxKey(a, core.Seq(n)), Value: messageValue(a, nil, "m")}}
		for _, name := range names {
			rows = append(rows, core.Row{Key: core.StateKey(a, name), Value: fmt.Append(nil, n)})
		}
		if n > 1 {
			rows = append(rows, core.Row{Key: core.MailboxKey(a, core.Seq(n-1)), Delete: true})
		}
		commit(t, s, n, rows)
		if got, err := s.State(a, "a"); err != nil || string(got) != fmt.Sprint(n) {
			t.Errorf("after commit %d: %q, %v", n, got, err)
		}
	}
	done.Store(true)
	readers.Wait()
}

func sameStates(s *shard.Store, a core.Address) error {
	got, err := s.LoadAddress(core.LoadAddress{Address: a, MailboxCount: 10, MailboxBytes: 100})
	if err != nil {
		return err
	}
	if len(got.States) == 0 {
		return nil
	}
	if len(got.States) != 4 || len(got.Messages) != 1 {
		return fmt.Errorf("half of a commit: %+v", got)
	}
	for _, st := range got.States {
		if n := fmt.Sprint(got.Messages[0].Seq); string(st.Value) != n {
			return fmt.Errorf("state %q beside message %s", st.Value, n)
		}
	}
	return nil
}

func testReopen(t *testing.T, d Disk) {
	set := d.open(t)
	s := store(t, set, 9, all)
	r := NewRandom(3)
	m := make(Model)
	for n := core.CheckpointID(1); n <= 5; n++ {
		rows := r.Rows(100)
		commit(t, s, n, rows)
		m.Apply(rows)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	shut(t, set)
	s = store(t, d.open(t), 9, all)
	if s.Meta().Checkpoint != 5 || s.Meta().NextSeq != 50 || s.Empty() {
		t.Errorf("meta: %+v", s.Meta())
	}
	Same(t, s, m)
	for _, typ := range []core.FunctionType{"shop/cart", "shop/stock", "a/b"} {
		if found, _, err := s.HasFunctionType(typ, nil, 1000); !found || err != nil {
			t.Errorf("type %s: %v, %v", typ, found, err)
		}
	}
	if err := s.Delete(); err != nil {
		t.Fatal(err)
	}
}

func testCrash(t *testing.T, d Disk) {
	if d.Crash == nil {
		return
	}
	r := NewRandom(4)
	history := map[core.CheckpointID]Model{0: {}}
	for range 12 {
		set := d.open(t)
		s := store(t, set, 2, all)
		n := s.Meta().Checkpoint
		want, ok := history[n]
		if !ok {
			t.Fatalf("the store is at checkpoint %d, which was never committed", n)
		}
		Same(t, s, want)
		m := maps.Clone(want)
		for range r.IntN(8) {
			skip := core.CheckpointID(1 + r.IntN(3)) //nolint:gosec // positive
			rows := r.Rows(1 + r.IntN(300))
			n += skip
			commit(t, s, n, rows)
			m.Apply(rows)
			history[n] = maps.Clone(m)
			if r.IntN(5) == 0 {
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
				for old := range history {
					if old < n {
						delete(history, old) // durable: nothing older may come back
					}
				}
			}
		}
		d.Crash()
		_ = set.Close() // of a process that is dead
	}
}

// Copy restores a base into an empty store.
func Copy(b *shard.Base, s *shard.Store) error {
	r, err := s.Restore()
	if err != nil {
		return err
	}
	for _, f := range b.Files {
		if err := copyFile(b, r, f.Name, nil); err != nil {
			return errors.Join(err, r.Abort())
		}
	}
	return r.Finish(b.Checkpoint)
}

// copyFile copies one file, after change has changed its bytes.
func copyFile(b *shard.Base, r *shard.Restore, name string, change func([]byte) []byte) error {
	from, err := b.Open(name)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(from)
	if err = errors.Join(err, from.Close()); err != nil {
		return err
	}
	if change != nil {
		body = change(body)
	}
	to, err := r.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, bytes.NewReader(body))
	return errors.Join(err, to.Close())
}
