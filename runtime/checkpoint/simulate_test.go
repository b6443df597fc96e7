package checkpoint_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

// process is one of several that lead in turn, each believing what it believes.
type process struct {
	leader
	rows map[string]string // what its state's checkpoint holds, by key
}

// history is what the checks know: of every committed checkpoint, all rows.
type history struct {
	rows map[core.CheckpointID]map[string]string
	by   map[core.CheckpointID]checkpoint.Number
}

// Random processes claim, commit, refresh bases, collect, sleep and die over a bucket that fails,
// loses answers and lists stale keys. Every commit that was acknowledged, and only one per checkpoint,
// is restored with all its rows, and everything that it refers to is there and right.
func TestRandomLeaders(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { simulate(t, seed) })
	}
}

func simulate(t *testing.T, seed uint64) {
	w := newWorld(t, 4)
	r := rand.New(rand.NewPCG(seed, 99))
	faults := func(op membucket.Op) (f membucket.Fault) {
		switch r.IntN(30) {
		case 0:
			f.Before = membucket.ErrInjected
		case 1, 2:
			f.After = membucket.ErrInjected
		}
		f.Behind = r.IntN(3) * r.IntN(20)
		return f
	}
	h := history{rows: map[core.CheckpointID]map[string]string{0: {}}, by: map[core.CheckpointID]checkpoint.Number{}}
	processes := make([]*process, 3)
	for range 150 {
		i := r.IntN(len(processes))
		w.bucket.Hook = faults
		p := processes[i]
		switch {
		case p == nil:
			processes[i] = begin(w, r, h)
		case r.IntN(40) == 0:
			processes[i] = nil // dies
		case r.IntN(30) == 0:
			w.now += 9 * time.Hour
		default:
			w.now += time.Duration(r.IntN(5000)) * time.Millisecond
			if !p.step(r, h) {
				processes[i] = nil
			}
		}
		w.bucket.Hook = nil
		h.check(w)
	}
}

// begin claims and restores; nil if a fault prevents it.
func begin(w *world, r *rand.Rand, h history) *process {
	ctx := w.t.Context()
	tail, err := w.app.Log().FindTail(ctx, checkpoint.Number(r.IntN(100)))
	if err != nil {
		return nil
	}
	p := &process{leader: leader{world: w, reign: w.app.Log().NewReign(tail), collector: w.app.NewCollector()}}
	e, err := p.reign.Append(ctx, checkpoint.Entry{Claim: &checkpoint.Claim{Nonce: r.Uint64()}})
	for range 5 {
		if err != nil && p.reign.Pending() {
			e, err = p.reign.Settle(ctx)
		}
	}
	if err != nil {
		return nil
	}
	if p.state, err = w.app.Log().StateBelow(ctx, e.Number, 1); err != nil {
		return nil
	}
	want, ok := h.rows[p.state.Checkpoint]
	if !ok {
		w.t.Fatalf("restored checkpoint %d, of which nobody knows", p.state.Checkpoint)
	}
	p.rows = maps.Clone(want)
	return p
}

// step does one checkpoint; false if the process has to give up.
func (p *process) step(r *rand.Rand, h history) bool {
	ctx := p.t.Context()
	if r.IntN(3) == 0 {
		_, err := p.collector.Collect(ctx, p.reign, p.state, 1+r.IntN(5))
		if errors.Is(err, checkpoint.ErrDeposed) {
			return false
		}
	}
	n := p.state.Checkpoint + 1
	rows, changed := maps.Clone(p.rows), map[core.ShardID][]core.Row{}
	for range r.IntN(5) {
		shard := core.ShardID(r.IntN(4))
		key := fmt.Sprintf("%d/%d", shard, r.IntN(10))
		if slices.ContainsFunc(changed[shard], func(row core.Row) bool { return string(row.Key) == key }) {
			continue
		}
		if r.IntN(4) == 0 {
			delete(rows, key)
			changed[shard] = append(changed[shard], gone(key))
			continue
		}
		rows[key] = fmt.Sprintf("%d of %d", n, p.generation())
		changed[shard] = append(changed[shard], row(key, rows[key]))
	}
	c := checkpoint.Commit{Checkpoint: n, Time: p.state.Time + core.Millis(r.IntN(1000))}
	if len(changed) > 0 {
		w, err := p.app.NewSegment(p.generation(), n, 0)
		p.must(err)
		addRows(p.t, w, changed)
		seg, err := w.Upload(ctx)
		if err != nil {
			return true // tries again later, as another segment
		}
		c.Segments = append(c.Segments, seg)
	}
	if b := p.base(r); b != nil {
		c.Bases = append(c.Bases, b)
	}
	m, err := p.state.Next(c, p.reign.Lineage())
	p.must(err)
	// Known to the checks before the attempt: its outcome may be seen by others first.
	e, err := p.reign.Append(ctx, checkpoint.Entry{Manifest: m})
	for tries := 0; p.reign.Pending(); tries++ {
		if _, collectErr := p.collector.Collect(ctx, p.reign, p.state, 5); !errors.Is(collectErr, checkpoint.ErrPending) {
			p.t.Fatalf("collected while an append was open: %v", collectErr)
		}
		if tries == 4 {
			p.world.bucket.Hook = nil
		}
		e, err = p.reign.Settle(ctx)
	}
	if errors.Is(err, checkpoint.ErrDeposed) {
		return false
	}
	if err != nil {
		return true // a look before the first try failed: nothing was tried
	}
	if by, twice := h.by[n]; twice {
		p.t.Fatalf("checkpoint %d was committed as number %d and as number %d", n, by, e.Number)
	}
	h.rows[n], h.by[n] = rows, e.Number
	p.must(p.state.Apply(e.Number, e.Manifest))
	p.rows = rows
	p.collector.Committed(e.Manifest)
	return true
}

// base refreshes a shard's base now and then.
func (p *process) base(r *rand.Rand) *checkpoint.Base {
	shard := core.ShardID(r.IntN(4))
	past := p.state.Past(shard)
	if p.state.Checkpoint == 0 || r.IntN(3) != 0 || (past.Base != nil && past.Base.Checkpoint >= p.state.Checkpoint) {
		return nil
	}
	fs, dir := baseFolder(p.t, p.rows, shard)
	b, err := p.app.UploadBase(p.t.Context(), p.generation(), checkpoint.BaseSource{
		FS: fs, Dir: dir, Shard: shard, Checkpoint: p.state.Checkpoint, NextSeq: past.NextSeq, Format: 1,
	}, past.Base)
	if err != nil {
		return nil
	}
	return b
}

// check restores the newest commit as a new node would and compares all rows.
func (h history) check(w *world) {
	w.t.Helper()
	report, err := checkpoint.Verify(w.t.Context(), w.bucket, "shop", w.options())
	w.must(err)
	if report.Problems != nil {
		w.t.Fatalf("damage: %v", report.Problems)
	}
	s := report.State
	newest := slices.Max(slices.Collect(maps.Keys(h.rows)))
	if s.Checkpoint != newest {
		w.t.Fatalf("the log ends with checkpoint %d, acknowledged was %d", s.Checkpoint, newest)
	}
	got := map[string]string{}
	for shard := range core.ShardID(4) {
		past := s.Past(shard)
		if past.Base != nil {
			readBaseFolder(w, past.Base, got)
		}
		for _, at := range past.Sections {
			w.must(w.app.ReadSections(w.t.Context(), at.Segment, []core.ShardID{shard}, func(_ core.ShardID, sec *checkpoint.Section) error {
				for row := range sec.Rows() {
					if row.Delete {
						delete(got, string(row.Key))
					} else {
						got[string(row.Key)] = string(row.Value)
					}
				}
				return nil
			}))
		}
	}
	if !maps.Equal(got, h.rows[newest]) {
		w.t.Fatalf("checkpoint %d restores %v, want %v", newest, got, h.rows[newest])
	}
}
