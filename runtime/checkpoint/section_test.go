package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

func TestSectionKeepsRows(t *testing.T) {
	big := strings.Repeat("v", 16<<20)
	cases := map[string][]core.Row{
		"no rows":              nil,
		"one row":              {row("k", "v")},
		"empty key and value":  {row("", ""), gone("")},
		"deletions":            {gone("a"), gone("b")},
		"a value of 16 MiB":    {row("a", "1"), row("b", big), row("c", "3")},
		"only a value of 16MB": {row("b", big)},
		"rows fill blocks":     numbered(1, 20_000, 100),
		"rows of half a block": numbered(2, 9, 65<<10),
	}
	for name, rows := range cases {
		t.Run(name, func(t *testing.T) {
			s, err := checkpoint.EncodeSection(slices.Values(rows), 42)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // iterable again
				if got := collect(s.Rows()); !sameRows(got, rows) {
					t.Fatalf("got %d rows, want %d equal ones", len(got), len(rows))
				}
			}
			if s.Len() != uint64(len(rows)) || s.NextSeq() != 42 {
				t.Fatalf("%d rows, next %d", s.Len(), s.NextSeq())
			}
		})
	}
}

func TestSectionDoesNotAliasRows(t *testing.T) {
	key, value := []byte("key"), []byte("value")
	s, err := checkpoint.EncodeSection(func(yield func(core.Row) bool) {
		yield(core.Row{Key: key, Value: value})
		copy(key, "XXX")
		copy(value, "XXXXX")
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := collect(s.Rows()); !sameRows(got, []core.Row{row("key", "value")}) {
		t.Fatalf("got %v", got)
	}
}

func TestRowsBytesStayBelowLimit(t *testing.T) {
	rows := numbered(3, 10_000, 40)
	plain := 0
	for _, r := range rows {
		plain += len(r.Key) + len(r.Value)
	}
	s, err := checkpoint.EncodeSection(slices.Values(rows), 1)
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(plain * 13 / 10); s.Size() > limit {
		t.Fatalf("%d bytes of keys and values became %d, limit %d", plain, s.Size(), limit)
	}
}

func TestSegmentRoundTrip(t *testing.T) {
	w := newWorld(t, 16)
	l := w.claim(1)
	rows := map[core.ShardID][]core.Row{}
	for _, shard := range []core.ShardID{0, 1, 2, 5, 6, 15} {
		rows[shard] = numbered(uint64(shard), 500*int(shard)+1, 200)
	}
	seg := l.segment(rows)
	for _, want := range [][]core.ShardID{{0}, {15, 0}, {1, 2, 3, 4, 5, 6}, {3, 4}, {0, 1, 2, 5, 6, 15}} {
		requests := w.count(func() {
			got := map[core.ShardID]int{}
			w.must(w.app.ReadSections(t.Context(), seg, want, func(shard core.ShardID, s *checkpoint.Section) error {
				if !sameRows(collect(s.Rows()), rows[shard]) || s.NextSeq() != core.Seq(len(rows[shard])+100) {
					t.Errorf("shard %d came back different", shard)
				}
				got[shard]++
				return nil
			}))
			for _, shard := range want {
				if (got[shard] == 1) != (rows[shard] != nil) {
					t.Errorf("shards %v: shard %d came %d times", want, shard, got[shard])
				}
			}
		})
		if requests > 2 {
			t.Errorf("shards %v took %d requests", want, requests)
		}
	}
}

func TestReadSectionsStopsAtFirstError(t *testing.T) {
	w := newWorld(t, 4)
	seg := w.claim(1).segment(map[core.ShardID][]core.Row{0: {row("a", "1")}, 1: {row("b", "2")}})
	stop := errors.New("stop")
	calls := 0
	err := w.app.ReadSections(t.Context(), seg, []core.ShardID{0, 1}, func(core.ShardID, *checkpoint.Section) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Fatalf("%d calls, %v", calls, err)
	}
}

func smallSegment(t testing.TB, app *checkpoint.Application) (*checkpoint.Segment, []byte) {
	t.Helper()
	w, err := app.NewSegment(3, 9, 2)
	if err != nil {
		t.Fatal(err)
	}
	addRows(t, w, map[core.ShardID][]core.Row{
		1: {row("key", strings.Repeat("compressible ", 20)), gone("old")},
		3: {row("k", "v")},
	})
	return w.Finish()
}

// Every flipped bit of a segment is noticed, and whoever reads by range notices those of its range.
func TestEveryFlippedByteOfSegmentIsFound(t *testing.T) {
	w := newWorld(t, 4)
	seg, good := smallSegment(t, w.app)
	decode := func(b []byte) error {
		for i := range seg.Sections {
			r := &seg.Sections[i]
			if _, err := checkpoint.DecodeSection("object", b[r.Offset:][:r.Length], r, seg.Checkpoint); err != nil {
				return err
			}
		}
		_, _, err := checkpoint.DecodeFrame("object", b, w.app.ID)
		return err
	}
	if err := decode(good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			err := decode(bad)
			var damage *checkpoint.DamageError
			if !errors.As(err, &damage) || damage.Object != "object" || damage.Why == "" {
				t.Fatalf("byte %d, bit %d: %v", i, bit, err)
			}
			inSection := i >= 48 && int64(i) < seg.Sections[1].Offset+seg.Sections[1].Length
			if inSection && (damage.Offset > int64(i) || damage.Offset < int64(i)-200) {
				t.Errorf("byte %d: damage reported at %d: %v", i, damage.Offset, err)
			}
		}
	}
	for n := range good {
		if _, _, err := checkpoint.DecodeFrame("object", good[:n], w.app.ID); err == nil {
			t.Fatalf("a segment cut to %d bytes passes", n)
		}
	}
}

func TestSegmentRefusesShardsOutOfOrder(t *testing.T) {
	w := newWorld(t, 4)
	sw, err := w.app.NewSegment(1, 1, 0)
	w.must(err)
	s, err := checkpoint.EncodeSection(slices.Values([]core.Row{row("a", "b")}), 1)
	w.must(err)
	w.must(sw.Add(2, s))
	for _, shard := range []core.ShardID{2, 1} {
		if sw.Add(shard, s) == nil {
			t.Errorf("shard %d behind shard 2 was taken", shard)
		}
	}
}

// count counts the requests that reach the bucket while f runs.
func (w *world) count(f func()) int {
	n := 0
	hook := w.bucket.Hook
	w.bucket.Hook = counting(hook, &n)
	f()
	w.bucket.Hook = hook
	return n
}

func BenchmarkEncodeSection(b *testing.B) {
	rows := benchRows(100_000, 100)
	b.ReportAllocs()
	b.SetBytes(rowBytes(rows))
	for b.Loop() {
		s, err := checkpoint.EncodeSection(slices.Values(rows), 1)
		if err != nil {
			b.Fatal(err)
		}
		s.Release()
	}
}

func BenchmarkEncodeAndCompress(b *testing.B) {
	w := newWorld(b, 64)
	for _, size := range []int{16, 100, 1000} {
		rows := benchRows(10_000_000/(size+50), size)
		b.Run(fmt.Sprintf("value=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(rowBytes(rows))
			var stored, raw int64
			for b.Loop() {
				sw, err := w.app.NewSegment(1, 1, 0)
				w.must(err)
				s, err := checkpoint.EncodeSection(slices.Values(rows), 1)
				w.must(err)
				w.must(sw.Add(0, s))
				seg := sw.FinishOnly()
				stored, raw = seg.Length, sw.RowBytes()
				s.Release()
			}
			b.ReportMetric(float64(raw)/float64(rowBytes(rows)), "raw/row-byte")
			b.ReportMetric(float64(stored)/float64(rowBytes(rows)), "stored/row-byte")
		})
	}
}

func BenchmarkReadSection(b *testing.B) {
	w := newWorld(b, 64)
	rows := benchRows(100_000, 100)
	seg := w.claim(1).segment(map[core.ShardID][]core.Row{0: rows})
	b.ReportAllocs()
	b.SetBytes(rowBytes(rows))
	for b.Loop() {
		w.must(w.app.ReadSections(b.Context(), seg, []core.ShardID{0}, func(_ core.ShardID, s *checkpoint.Section) error {
			for range s.Rows() {
			}
			s.Release()
			return nil
		}))
	}
}

// benchRows have keys like those of states and values like small protobuf messages.
func benchRows(n, size int) []core.Row {
	r := rand.New(rand.NewPCG(1, 1))
	rows := make([]core.Row, n)
	for i := range rows {
		a := core.Address{Type: "example/cart", ID: fmt.Sprintf("user-%d", r.IntN(1e6))}
		value := make([]byte, size)
		for k := range value {
			value[k] = byte(r.IntN(64))
		}
		copy(value, "io.statefun.types/int")
		rows[i] = core.Row{Key: core.StateKey(a, "items"), Value: value}
	}
	return rows
}

func rowBytes(rows []core.Row) (n int64) {
	for _, r := range rows {
		n += int64(len(r.Key) + len(r.Value))
	}
	return n
}

// Some rows make the encoder write more, for a moment, than it announces as the most: it moves its output then.
func TestSegmentTakesWhatTheEncoderMoved(t *testing.T) {
	w, err := newWorld(t, 1).app.NewSegment(1, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.AppendMoved([]byte("moved"))
	if _, b := w.Finish(); !bytes.Contains(b, []byte("moved")) {
		t.Fatalf("the segment holds %q", b)
	}
}
