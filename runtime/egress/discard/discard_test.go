package discard

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/egresstest"
)

func TestConformance(t *testing.T) {
	egresstest.RunEmitter(t, func(*testing.T) egresstest.Emitter {
		var e *Egress
		return egresstest.Emitter{
			Open: func(t *testing.T, lanes int) egress.Emitter {
				var err error
				if e, err = Open(Options{Lanes: lanes}); err != nil {
					t.Fatal(err)
				}
				return e
			},
			Record:  func(i int) egress.Record { return egress.Record{Typename: "a/b", Value: []byte{byte(i)}} },
			Outside: func(*testing.T) int { return int(e.Snapshot().Records) }, //nolint:gosec // few
			Bad:     []egress.Record{{Typename: egress.TypeKafkaRecord, Value: []byte{0xff}}},
		}
	})
}

func TestBucketsCoverAllAges(t *testing.T) {
	last := int64(-1)
	for b := range buckets {
		up := upper(b)
		if up <= last || bucket(up) != b || bucket(last+1) != b {
			t.Fatalf("bucket %d: ages %d to %d fall into %d and %d", b, last+1, up, bucket(last+1), bucket(up))
		}
		if width := up - last; width > 1 && float64(width) > 0.016*float64(up) {
			t.Fatalf("bucket %d of ages up to %d is %d wide", b, up, width)
		}
		last = up
	}
	if got := bucket(math.MaxInt64); got != buckets-1 {
		t.Errorf("the largest age falls into bucket %d of %d", got, buckets)
	}
}

func long(v int64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{9}, uint64(v)) //nolint:gosec // two's complement
}

func TestAges(t *testing.T) {
	now := time.Unix(1000, 0)
	e, err := Open(Options{Lanes: 2, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var ages []int64
	for i := range 10000 {
		age := int64(math.Exp(rnd.Float64() * 20))
		ages = append(ages, age)
		recs := []egress.Record{
			{Typename: egress.TypeLong, Value: long(now.UnixNano() - age)},
			{Typename: "a/b", Value: []byte("xyz")},
			{Typename: egress.TypeLong, Value: []byte("damaged")},
		}
		if n := e.Emit(i%2, recs, func(int, int, error) {}); n != 3 {
			t.Fatalf("took %d of 3", n)
		}
	}
	slices.Sort(ages)
	s := e.Snapshot()
	if s.Records != 30000 || s.Bytes != 10000*(9+3+7) || s.Ages.Count != 10000 || int64(s.Ages.Max) != ages[9999] {
		t.Errorf("counted %d records, %d bytes, %d ages up to %s", s.Records, s.Bytes, s.Ages.Count, s.Ages.Max)
	}
	for _, q := range []float64{0, 0.01, 0.5, 0.99, 0.999, 1} {
		want := ages[max(int(q*10000+0.5), 1)-1]
		if got := int64(s.Ages.Quantile(q)); got < want || float64(got) > 1.016*float64(want)+1 {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	var sum uint64
	s.Ages.Each(func(_ time.Duration, n uint64) { sum += n })
	if sum != 10000 || s.Ages.Mean() <= 0 {
		t.Errorf("buckets hold %d, mean %s", sum, s.Ages.Mean())
	}
	e.Emit(0, []egress.Record{{Typename: egress.TypeLong, Value: long(now.UnixNano() + 5)}}, func(int, int, error) {})
	if d := e.Snapshot().Ages.Since(s.Ages); d.Count != 1 || d.Quantile(0.5) != 0 {
		t.Errorf("since: %d, %s", d.Count, d.Quantile(0.5))
	}
	if (Ages{}).Quantile(0.5) != 0 || (Ages{}).Mean() != 0 {
		t.Error("an empty distribution has a quantile")
	}
}

func BenchmarkEmit(b *testing.B) {
	e, _ := Open(Options{})
	recs := make([]egress.Record, 64)
	for i := range recs {
		recs[i] = egress.Record{Typename: egress.TypeLong, Value: long(time.Now().UnixNano())}
	}
	done := func(int, int, error) {}
	for b.Loop() {
		e.Emit(0, recs, done)
	}
	b.ReportMetric(float64(b.N)*64/b.Elapsed().Seconds(), "records/s")
}
