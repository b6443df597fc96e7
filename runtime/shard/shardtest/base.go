package shardtest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// filled is a store with some checkpoints, the last of which is 7, in lineage "chain".
func filled(t *testing.T, set *shard.Set, id core.ShardID) (*shard.Store, Model, *Random) {
	t.Helper()
	s := store(t, set, id, all)
	s.SetLineage("chain")
	r := NewRandom(uint64(id))
	m := make(Model)
	for n := core.CheckpointID(1); n <= 7; n++ {
		rows := r.Rows(200)
		commit(t, s, n, rows)
		m.Apply(rows)
	}
	return s, m, r
}

func base(t *testing.T, s *shard.Store) *shard.Base {
	t.Helper()
	b, err := s.Base()
	if err != nil {
		t.Fatalf("base: %v", err)
	}
	return b
}

func testBase(t *testing.T, d Disk) {
	set := d.open(t)
	s, m, r := filled(t, set, 3)
	b := base(t, s)
	if b.Checkpoint != 7 || b.NextSeq != 70 || b.Lineage != "chain" || b.Bytes() == 0 {
		t.Errorf("base: %+v", b)
	}
	later := r.Rows(100)
	commit(t, s, 8, later)
	keep, err := b.Open(b.Files[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	shut(t, keep)
	if _, err := b.Open("../id"); err == nil {
		t.Error("a file that is none of the base's was opened")
	}
	if err := s.Delete(); err != nil {
		t.Fatal(err)
	}
	s = store(t, set, 3, shard.Want{Base: 7, Point: 8})
	if !s.Empty() {
		t.Fatal("the store was not deleted")
	}
	if err := Copy(b, s); err != nil {
		t.Fatal(err)
	}
	shut(t, b)
	if got := s.Meta(); got != b.Meta {
		t.Errorf("meta: got %+v, want %+v", got, b.Meta)
	}
	Same(t, s, m)
	commit(t, s, 8, later)
	m.Apply(later)
	Same(t, s, m)
	checkReads(t, r, s, m)
	if _, err := s.Restore(); err == nil {
		t.Error("a store that is not empty was restored into")
	}
	again := base(t, s)
	if again.Checkpoint != 8 {
		t.Errorf("base: %+v", again.Meta)
	}
	shut(t, again)
	shut(t, set)
	s = store(t, d.open(t), 3, shard.Want{Base: 7, Point: 8})
	if s.Meta().Checkpoint != 8 {
		t.Errorf("after a start: %+v", s.Meta())
	}
	Same(t, s, m)
}

func testBadBase(t *testing.T, d Disk) {
	set := d.open(t)
	from, _, _ := filled(t, set, 3)
	b := base(t, from)
	defer shut(t, b)
	if err := from.Delete(); err != nil {
		t.Fatal(err)
	}
	fill := func(id core.ShardID, change func(string, []byte) []byte) (*shard.Store, *shard.Restore) {
		t.Helper()
		s := store(t, set, id, all)
		r, err := s.Restore()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range b.Files {
			err := copyFile(b, r, f.Name, func(body []byte) []byte { return change(f.Name, body) })
			if err != nil {
				t.Fatal(err)
			}
		}
		return s, r
	}
	same := func(_ string, body []byte) []byte { return body }
	for _, c := range []struct {
		name   string
		id     core.ShardID
		number core.CheckpointID
		change func(string, []byte) []byte
	}{
		{"of another shard", 4, 7, same},
		{"of another checkpoint", 3, 6, same},
		{"cut short", 3, 7, func(_ string, body []byte) []byte { return body[:len(body)/2] }},
		{"empty files", 3, 7, func(string, []byte) []byte { return nil }},
		{"changed bytes", 3, 7, func(_ string, body []byte) []byte { return bytes.Map(func(r rune) rune { return r ^ 1 }, body) }},
	} {
		s, r := fill(c.id, c.change)
		if err := r.Finish(c.number); !errors.Is(err, shard.ErrBase) {
			t.Errorf("%s: %v", c.name, err)
		}
		if !s.Empty() || s.Meta().Checkpoint != 0 {
			t.Errorf("%s: something is left: %+v", c.name, s.Meta())
		}
		commit(t, s, 1, NewRandom(1).Rows(10)) // still a store
		if err := s.Delete(); err != nil {
			t.Fatal(err)
		}
	}
	s, r := fill(3, same)
	for _, name := range []string{"", ".", "..", "a/b", "../x", `a\b`, "a\x00b", ".hidden"} {
		if _, err := r.Create(name); !errors.Is(err, shard.ErrBase) {
			t.Errorf("file %q: %v", name, err)
		}
	}
	if err := r.Abort(); err != nil {
		t.Error(err)
	}
	if err := r.Finish(7); err == nil || !s.Empty() {
		t.Errorf("finished after an abort: %v", err)
	}
}

func testUsable(t *testing.T, d Disk) {
	set := d.open(t)
	_, _, _ = filled(t, set, 3)
	shut(t, set)
	for _, c := range []struct {
		name string
		id   core.ShardID
		app  core.ApplicationID
		want shard.Want
		used bool
	}{
		{"at the restore point", 3, app, shard.Want{Base: 7, Point: 7}, true},
		{"between base and restore point", 3, app, shard.Want{Base: 2, Point: 9}, true},
		{"of the lineage", 3, app, shard.Want{Point: 9, InChain: func(n core.CheckpointID, l string) bool { return n == 7 && l == "chain" }}, true},
		{"another shard has nothing", 4, app, shard.Want{Base: 7, Point: 7}, false},
		{"older than the base", 3, app, shard.Want{Base: 8, Point: 9}, false},
		{"newer than the restore point", 3, app, shard.Want{Point: 6}, false},
		{"of another lineage", 3, app, shard.Want{Point: 9, InChain: func(core.CheckpointID, string) bool { return false }}, false},
		{"of another application", 3, core.ApplicationID{9}, shard.Want{Point: 9}, false},
	} {
		o := d.Options()
		o.Application = app
		fresh, err := shard.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		s := store(t, fresh, 3, all)
		if s.Empty() {
			rows := NewRandom(3).Rows(100)
			s.SetLineage("chain")
			commit(t, s, 7, rows)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		shut(t, fresh)
		o.Application = c.app
		if fresh, err = shard.Open(o); err != nil {
			t.Fatal(err)
		}
		s = store(t, fresh, c.id, c.want)
		if s.Empty() == c.used || (s.Meta().Checkpoint == 7) != c.used {
			t.Errorf("%s: %+v", c.name, s.Meta())
		}
		shut(t, fresh)
	}
}

func testLock(t *testing.T, d Disk) {
	set := d.open(t)
	if _, err := shard.Open(d.Options()); !errors.Is(err, shard.ErrLocked) {
		t.Errorf("a second Set: %v", err)
	}
	if _, err := set.Store(1, all); err != nil {
		t.Error(err)
	}
	if _, err := set.Store(1, all); err == nil {
		t.Error("a shard was opened twice")
	}
	id := set.ID()
	shut(t, set)
	if _, err := set.Store(2, all); !errors.Is(err, shard.ErrClosed) {
		t.Errorf("a store of a closed Set: %v", err)
	}
	if again := d.open(t); again.ID() != id || id == ([16]byte{}) {
		t.Errorf("id: %x, then %x", id, again.ID())
	}
}

func testLarge(t *testing.T, d Disk) {
	set := d.open(t)
	s := store(t, set, 0, all)
	a := core.Address{Type: "a/b", ID: "large"}
	value := func(n core.CheckpointID) []byte { return bytes.Repeat([]byte{byte(n), 'v', 'a'}, 16<<20/3) }
	for n := core.CheckpointID(1); n <= 3; n++ {
		commit(t, s, n, []core.Row{
			{Key: core.StateKey(a, "big"), Value: value(n)},
			{Key: core.MailboxKey(a, core.Seq(n)), Value: messageValue(a, nil, string(value(n)))},
			{Key: accessKey(a, "big"), Value: core.AppendMillis(nil, 5)},
		})
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	shut(t, set)
	s = store(t, d.open(t), 0, all)
	got, err := s.LoadAddress(core.LoadAddress{Address: a, MailboxCount: 5, MailboxBytes: 20 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.States) != 1 || !bytes.Equal(got.States[0].Value, value(3)) {
		t.Error("the state is not what was committed")
	}
	if len(got.Messages) != 1 || !got.More || got.LastSeq != 3 || !bytes.Equal(got.Messages[0].Arg, value(1)) {
		t.Errorf("%d messages, more %v, last %d", len(got.Messages), got.More, got.LastSeq)
	}
	if e, err := s.ReadExpiring(core.ReadExpiring{Limit: 10}); err != nil || len(e.Accesses) != 1 {
		t.Errorf("expiring: %d, %v", len(e.Accesses), err)
	}
}

func testClosed(t *testing.T, d Disk) {
	set := d.open(t)
	s, _, r := filled(t, set, 3)
	rest := store(t, set, 4, all)
	restore, err := rest.Restore()
	if err != nil {
		t.Fatal(err)
	}
	shut(t, set)
	shut(t, s)
	_, answer := s.Answer(core.LoadAddress{})
	_, base := s.Base()
	for what, err := range map[string]error{
		"commit": s.Commit(20, 1, Overlay(r.Rows(1))), "flush": s.Flush(), "answer": answer, "base": base,
		"restore": restore.Finish(1),
	} {
		if !errors.Is(err, shard.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
