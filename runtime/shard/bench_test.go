package shard_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

const benchAddresses = 100_000

func benchAddress(i int) core.Address {
	return core.Address{Type: "bench/counter", ID: fmt.Sprintf("user-%07d", i)}
}

// benchStore holds 100,000 Addresses with one state of 100 bytes each, as ten checkpoints left them.
func benchStore(b *testing.B) *shard.Store {
	b.Helper()
	set, err := shard.Open(shard.Options{Dir: b.TempDir(), Log: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = set.Close() })
	s, err := set.Store(0, shard.Want{})
	if err != nil {
		b.Fatal(err)
	}
	for n := range 10 {
		commitBench(b, s, core.CheckpointID(n+1), n*benchAddresses/10, benchAddresses/10) //nolint:gosec // small
	}
	return s
}

func commitBench(b *testing.B, s *shard.Store, n core.CheckpointID, first, count int) {
	b.Helper()
	value := make([]byte, 100)
	rows := func(yield func(core.Row) bool) {
		for i := range count {
			a := benchAddress((first + i) % benchAddresses)
			if !yield(core.Row{Key: core.StateKey(a, "count"), Value: value}) {
				return
			}
		}
	}
	if err := s.Commit(n, 0, rows); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkLoadAddress(b *testing.B) {
	s := benchStore(b)
	if err := s.Flush(); err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // a bench
	for _, c := range []struct {
		name string
		from int
	}{{"hit", 0}, {"miss", benchAddresses}} {
		reads := make([]core.LoadAddress, 10_000)
		for i := range reads {
			reads[i] = core.LoadAddress{Address: benchAddress(c.from + r.IntN(benchAddresses)), MailboxCount: 10, MailboxBytes: 1 << 20}
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				a, err := s.LoadAddress(reads[i%len(reads)])
				if err != nil || (len(a.States) == 1) != (c.from == 0) {
					b.Fatal(a, err)
				}
			}
		})
	}
}

// BenchmarkCommit commits checkpoints of 1,000 changed Addresses of 100,000.
func BenchmarkCommit(b *testing.B) {
	s := benchStore(b)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		commitBench(b, s, core.CheckpointID(11+n), n*1000, 1000) //nolint:gosec // small
		n++
	}
	b.ReportMetric(float64(n)*1000/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkOpen opens a shard of 100,000 Addresses, as every shard is at a start.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for first := true; b.Loop(); first = false {
		set, err := shard.Open(shard.Options{Dir: dir, Log: quiet()})
		if err != nil {
			b.Fatal(err)
		}
		s, err := set.Store(0, shard.Want{Point: 100})
		if err != nil || s.Empty() != first {
			b.Fatal(err)
		}
		if first {
			commitBench(b, s, 1, 0, benchAddresses)
			if err := s.Flush(); err != nil {
				b.Fatal(err)
			}
		}
		if err := set.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCreate commits the first row of a shard, which makes its database.
func BenchmarkCreate(b *testing.B) {
	set, err := shard.Open(shard.Options{Dir: b.TempDir(), Log: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = set.Close() }()
	for b.Loop() {
		s, err := set.Store(0, shard.Want{})
		if err != nil {
			b.Fatal(err)
		}
		commitBench(b, s, 1, 0, 1)
		if err := s.Delete(); err != nil {
			b.Fatal(err)
		}
	}
}
