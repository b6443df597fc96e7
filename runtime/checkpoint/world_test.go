package checkpoint_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

// world is an application in a bucket in memory, with a clock and randomness of its own.
type world struct {
	t      testing.TB
	bucket *membucket.Faulty
	now    time.Duration
	random *rand.ChaCha8
	app    *checkpoint.Application
}

func newWorld(t testing.TB, shards int) *world {
	t.Helper()
	w := &world{t: t, bucket: &membucket.Faulty{Under: &membucket.Bucket{}}, random: rand.NewChaCha8([32]byte{7})}
	app, err := checkpoint.CreateApplication(t.Context(), w.bucket, "shop", shards, w.options())
	w.must(err)
	w.app = app
	return w
}

func (w *world) options() checkpoint.Options {
	return checkpoint.Options{Random: w.random, Clock: func() time.Duration { return w.now }}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// leader is a process that has claimed.
type leader struct {
	*world
	reign     *checkpoint.Reign
	state     *checkpoint.State
	collector *checkpoint.Collector
}

// claim finds the tail, wins a claim and restores.
func (w *world) claim(nonce uint64) *leader {
	w.t.Helper()
	log := w.app.Log()
	tail, err := log.FindTail(w.t.Context(), 0)
	w.must(err)
	l := &leader{world: w, reign: log.NewReign(tail), collector: w.app.NewCollector()}
	e, err := l.reign.Append(w.t.Context(), checkpoint.Entry{Claim: &checkpoint.Claim{Nonce: nonce}})
	w.must(err)
	l.state, err = log.StateBelow(w.t.Context(), e.Number, 1)
	w.must(err)
	return l
}

func (l *leader) generation() core.Generation { return l.reign.Lineage().Generation }

// segment uploads rows of some shards as the next checkpoint's segment of node 0.
func (l *leader) segment(rows map[core.ShardID][]core.Row) *checkpoint.Segment {
	l.t.Helper()
	w, err := l.app.NewSegment(l.generation(), l.state.Checkpoint+1, 0)
	l.must(err)
	addRows(l.t, w, rows)
	s, err := w.Upload(l.t.Context())
	l.must(err)
	return s
}

func addRows(t testing.TB, w *checkpoint.SegmentWriter, rows map[core.ShardID][]core.Row) {
	t.Helper()
	shards := make([]core.ShardID, 0, len(rows))
	for shard := range rows {
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	for _, shard := range shards {
		s, err := checkpoint.EncodeSection(slices.Values(rows[shard]), core.Seq(len(rows[shard])+100))
		if err == nil {
			err = w.Add(shard, s)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Release()
	}
}

// commit appends the next checkpoint.
func (l *leader) commit(c checkpoint.Commit) *checkpoint.Entry {
	l.t.Helper()
	c.Checkpoint, c.Time = l.state.Checkpoint+1, l.state.Time+1000
	m, err := l.state.Next(c, l.reign.Lineage())
	l.must(err)
	e, err := l.reign.Append(l.t.Context(), checkpoint.Entry{Manifest: m})
	l.must(err)
	l.must(l.state.Apply(e.Number, e.Manifest))
	l.collector.Committed(e.Manifest)
	return e
}

func row(key, value string) core.Row { return core.Row{Key: []byte(key), Value: []byte(value)} }

func gone(key string) core.Row { return core.Row{Key: []byte(key), Delete: true} }

// numbered are n rows with random values of size bytes.
func numbered(seed uint64, n, size int) []core.Row {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := make([]core.Row, n)
	for i := range rows {
		value := make([]byte, size)
		for k := range value {
			value[k] = byte('a' + r.IntN(8))
		}
		rows[i] = core.Row{Key: fmt.Appendf(nil, "Astate/%08d/%d", r.IntN(1e8), i), Value: value, Delete: i%7 == 3}
		if rows[i].Delete {
			rows[i].Value = nil
		}
	}
	return rows
}

func collect(rows iter.Seq[core.Row]) []core.Row {
	var all []core.Row
	for r := range rows {
		all = append(all, core.Row{Key: slices.Clone(r.Key), Value: slices.Clone(r.Value), Delete: r.Delete})
	}
	return all
}

func sameRows(a, b []core.Row) bool {
	return slices.EqualFunc(a, b, func(a, b core.Row) bool {
		return string(a.Key) == string(b.Key) && string(a.Value) == string(b.Value) && a.Delete == b.Delete
	})
}

func counting(hook func(membucket.Op) membucket.Fault, n *int) func(membucket.Op) membucket.Fault {
	return func(op membucket.Op) membucket.Fault {
		*n++
		if hook == nil {
			return membucket.Fault{}
		}
		return hook(op)
	}
}
