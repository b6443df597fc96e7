package checkpoint_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

func (w *world) objects() []string {
	w.t.Helper()
	var all []string
	for _, prefix := range []string{"shop/segments/", "shop/bases/"} {
		keys, err := w.bucket.Under.List(w.t.Context(), prefix, "", 1e6)
		w.must(err)
		all = append(all, keys...)
	}
	return all
}

func (l *leader) collectAll() {
	l.t.Helper()
	for range 100 {
		c, err := l.collector.Collect(l.t.Context(), l.reign, l.state, 3)
		l.must(err)
		if c.Deleted > 3 || c.Folders > 1 {
			l.t.Fatalf("one step did %+v", c)
		}
		if c.Idle {
			return
		}
	}
	l.t.Fatal("there is always something left to collect")
}

// rebase commits a new base of shard 1 that holds its rows.
func (l *leader) rebase(rows map[string]string) {
	l.t.Helper()
	fs, dir := baseFolder(l.t, rows, 1)
	past := l.state.Past(1)
	b, err := l.app.UploadBase(l.t.Context(), l.generation(), checkpoint.BaseSource{
		FS: fs, Dir: dir, Shard: 1, Checkpoint: l.state.Checkpoint, NextSeq: past.NextSeq, Format: 1,
	}, past.Base)
	l.must(err)
	l.commit(checkpoint.Commit{Bases: []*checkpoint.Base{b}})
}

func shardOne(key, value string) map[core.ShardID][]core.Row {
	return map[core.ShardID][]core.Row{1: {row(key, value)}}
}

func TestCollectorDeletesWhatItsReignRetired(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	covered := l.segment(shardOne("1/a", "x"))
	l.commit(checkpoint.Commit{Segments: []*checkpoint.Segment{covered}})
	both := l.segment(map[core.ShardID][]core.Row{1: {row("1/b", "y")}, 2: {row("2/b", "y")}})
	l.commit(checkpoint.Commit{Segments: []*checkpoint.Segment{both}})
	aborted := l.segment(shardOne("1/c", "z")) // of our own generation, never committed: not ours to delete
	l.rebase(map[string]string{"1/a": "x", "1/b": "y"})
	l.collectAll()
	got := w.objects()
	if slices.Contains(got, w.app.Key(covered.Name)) {
		t.Error("a segment that a base covers stays")
	}
	for what, s := range map[string]*checkpoint.Segment{"with a section that is needed": both, "that was not committed": aborted} {
		if !slices.Contains(got, w.app.Key(s.Name)) {
			t.Errorf("a segment %s was deleted", what)
		}
	}
	if past := l.state.Past(1); len(past.Sections) != 0 || past.NextSeq != 101 || past.Base.Checkpoint != 2 {
		t.Errorf("shard 1: %+v", past)
	}
	l.rebase(map[string]string{"1/a": "x"})
	l.collectAll()
	if bases := len(w.objects()) - 2; bases != 1 {
		t.Errorf("%d base files stay, one is referred to", bases)
	}
}

func TestCollectorDeletesWhatOlderGenerationsLeft(t *testing.T) {
	w := newWorld(t, 4)
	old := w.claim(1)
	kept := old.segment(shardOne("1/a", "x"))
	old.commit(checkpoint.Commit{Segments: []*checkpoint.Segment{kept}})
	for range 10 {
		old.segment(shardOne("1/left", "behind"))
	}
	l := w.claim(2)
	own := l.segment(shardOne("1/own", "y"))
	if c, err := l.collector.Collect(t.Context(), l.reign, l.state, 100); err != nil || c != (checkpoint.Collected{}) {
		t.Fatalf("collected before the reign's first manifest: %+v, %v", c, err)
	}
	l.commit(checkpoint.Commit{})
	l.collectAll()
	want := []string{w.app.Key(kept.Name), w.app.Key(own.Name)}
	if got := w.objects(); !slices.Equal(got, want) {
		t.Fatalf("left are %q, want %q", got, want)
	}
	// A deposed process ends an upload late: found at the next search.
	old.segment(shardOne("1/late", "z"))
	l.collectAll()
	w.now += 2 * time.Hour
	l.commit(checkpoint.Commit{})
	l.collectAll()
	if got := w.objects(); !slices.Equal(got, want) {
		t.Fatalf("left are %q, want %q", got, want)
	}
}

func TestCollectorRefusesWhilePendingAndDeposed(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	l.commit(checkpoint.Commit{})
	m, err := l.state.Next(checkpoint.Commit{Checkpoint: 2, Time: 9000}, l.reign.Lineage())
	w.must(err)
	w.bucket.Hook = times(2, membucket.OpCreate, membucket.Fault{Before: membucket.ErrInjected})
	_, err = l.reign.Append(t.Context(), checkpoint.Entry{Manifest: m})
	if !errors.Is(err, checkpoint.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	if _, err := l.collector.Collect(t.Context(), l.reign, l.state, 10); !errors.Is(err, checkpoint.ErrPending) {
		t.Errorf("with an open outcome: %v", err)
	}
	w.claim(2)
	_, _ = l.reign.Settle(t.Context())
	if _, err := l.collector.Collect(t.Context(), l.reign, l.state, 10); !errors.Is(err, checkpoint.ErrDeposed) {
		t.Errorf("deposed: %v", err)
	}
}

func TestOverdueShards(t *testing.T) {
	s := &checkpoint.State{Shards: 4, Bases: make([]*checkpoint.Base, 4)}
	add := func(shard core.ShardID, n int, length int64) {
		for range n {
			s.Segments = append(s.Segments, &checkpoint.Segment{Sections: []checkpoint.SectionRef{{Shard: shard, Length: length}}})
		}
	}
	add(0, 1, 16<<20)
	add(1, 1024, 1)
	add(2, 2, 9<<20)
	add(3, 2, 20<<20)
	s.Bases[3] = &checkpoint.Base{Files: []checkpoint.BaseFile{{Size: 40 << 20}}}
	if got := s.Overdue(); !slices.Equal(got, []core.ShardID{2, 1}) {
		t.Errorf("overdue: %v", got)
	}
	add(3, 1, 1)
	if got := s.Overdue(); !slices.Equal(got, []core.ShardID{3, 2, 1}) {
		t.Errorf("overdue: %v", got)
	}
}

func TestNextRefusesWhatMustNotBeCommitted(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	l.commit(checkpoint.Commit{})
	seg := l.segment(shardOne("1/a", "b"))
	beyond := &checkpoint.Segment{Name: seg.Name, Checkpoint: 2, Sections: []checkpoint.SectionRef{{Shard: 4}}}
	base := &checkpoint.Base{Shard: 1, Checkpoint: 1}
	for name, c := range map[string]checkpoint.Commit{
		"the same checkpoint":      {Checkpoint: 1, Time: 5000},
		"time that goes back":      {Checkpoint: 2, Time: 500},
		"segment of another":       {Checkpoint: 3, Time: 5000, Segments: []*checkpoint.Segment{seg}},
		"shard beyond":             {Checkpoint: 2, Time: 5000, Segments: []*checkpoint.Segment{beyond}},
		"segment without sections": {Checkpoint: 2, Time: 5000, Segments: []*checkpoint.Segment{{Name: seg.Name, Checkpoint: 2}}},
		"base of what is not yet":  {Checkpoint: 2, Time: 5000, Bases: []*checkpoint.Base{{Shard: 1, Checkpoint: 2}}},
		"two bases of a shard":     {Checkpoint: 2, Time: 5000, Bases: []*checkpoint.Base{base, base}},
		"base of a shard beyond":   {Checkpoint: 2, Time: 5000, Bases: []*checkpoint.Base{{Shard: 4, Checkpoint: 1}}},
	} {
		if _, err := l.state.Next(c, l.reign.Lineage()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestApplyRefusesBrokenChains(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	l.commit(checkpoint.Commit{Positions: map[string][]byte{"p": {1}}})
	for name, change := range map[string]func(*checkpoint.Manifest){
		"another shard count":  func(m *checkpoint.Manifest) { m.Shards = 8 },
		"a gap":                func(m *checkpoint.Manifest) { m.Prev = 1 },
		"checkpoint goes back": func(m *checkpoint.Manifest) { m.Checkpoint = 1 },
		"time goes back":       func(m *checkpoint.Manifest) { m.Time = 1 },
		"another reign":        func(m *checkpoint.Manifest) { m.Lineage.Nonce = 9 },
		"another full one":     func(m *checkpoint.Manifest) { m.FullNumber = 1 },
	} {
		before := l.state.Clone()
		m, err := l.state.Next(checkpoint.Commit{Checkpoint: 2, Time: 9000, Gone: []string{"p"}}, l.reign.Lineage())
		w.must(err)
		change(m)
		if err := l.state.Apply(3, m); err == nil || l.state.Checkpoint != before.Checkpoint || !maps.EqualFunc(l.state.Positions, before.Positions, slices.Equal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.commit(checkpoint.Commit{Gone: []string{"p"}})
	if len(l.state.Positions) != 0 {
		t.Errorf("positions: %v", l.state.Positions)
	}
}

func TestVerifyFindsEveryDamage(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	l.commit(checkpoint.Commit{Segments: []*checkpoint.Segment{l.segment(shardOne("1/a", "x"))}})
	l.rebase(map[string]string{"1/a": "x"})
	l.commit(checkpoint.Commit{Segments: []*checkpoint.Segment{l.segment(map[core.ShardID][]core.Row{0: numbered(1, 9, 9), 1: numbered(2, 9, 9)})}})
	verify := func() checkpoint.Report {
		r, err := checkpoint.Verify(t.Context(), w.bucket, "shop", w.options())
		w.must(err)
		return r
	}
	r := verify()
	if r.Problems != nil || r.Segments != 1 || r.Sections != 2 || r.Rows != 18 || r.Files != 1 || r.Bytes == 0 {
		t.Fatalf("%+v", r)
	}
	all, err := w.bucket.List(t.Context(), "shop/", "", 100)
	w.must(err)
	for _, key := range all {
		if key == w.app.Key(coveredSegment(all)) || strings.HasSuffix(key, "/00000000000000000001") {
			continue // nothing refers to them: the covered segment and the claim
		}
		good := readObject(w, key)
		for i := range good {
			w.bucket.Under.Damage(key, func(b []byte) []byte { b[i] ^= 0x40; return b })
			r := verify()
			var damage *checkpoint.DamageError
			if len(r.Problems) == 0 || !errors.As(r.Problems[0], &damage) || damage.Object != key {
				t.Fatalf("byte %d of %s: %v", i, key, r.Problems)
			}
			w.bucket.Under.Damage(key, func([]byte) []byte { return slices.Clone(good) })
		}
	}
}

// coveredSegment is the name of the first segment, which the base replaced.
func coveredSegment(keys []string) string {
	for _, key := range keys {
		if name, ok := strings.CutPrefix(key, "shop/"); ok && strings.HasPrefix(name, "segments/") {
			return name
		}
	}
	return ""
}

func TestABucketThatCannotDeleteFoldersKeepsTheLog(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	l.fill(4200)
	w.now += 48 * time.Hour
	asked := 0
	w.bucket.Hook = func(op membucket.Op) (f membucket.Fault) {
		if op.Kind == membucket.OpDeleteFolder {
			asked++
			f.Before = errors.ErrUnsupported
		}
		return f
	}
	l.collectAll()
	if _, err := w.app.Log().Read(t.Context(), 1); err != nil || asked != 1 {
		t.Fatalf("asked %d times, %v", asked, err)
	}
}

func TestALostAnswerOfDeleteFolderIsAskedAgain(t *testing.T) {
	w := newWorld(t, 4)
	l := w.claim(1)
	l.fill(4200)
	w.now += 48 * time.Hour
	w.bucket.Hook = once(membucket.OpDeleteFolder, membucket.Fault{After: membucket.ErrInjected})
	if _, err := l.collector.Collect(t.Context(), l.reign, l.state, 10); !errors.Is(err, membucket.ErrInjected) {
		t.Fatal(err)
	}
	l.collectAll()
	if _, err := w.app.Log().Read(t.Context(), 1); !errors.Is(err, checkpoint.ErrCut) {
		t.Fatal(err)
	}
}
