package node_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint/membucket"
)

// After a halt, the start is from the disk: no segment is read from the bucket, and no record is processed again.
func TestHaltAndStart(t *testing.T) {
	y := newTally(t, 8000, 100)
	var segments atomic.Int64
	y.config.Bucket = &membucket.Faulty{Under: &membucket.Bucket{}, Hook: func(op membucket.Op) membucket.Fault {
		if op.Kind == membucket.OpReadRange && !strings.Contains(op.Key, "/control/") {
			segments.Add(1)
		}
		return membucket.Fault{}
	}}
	for stop := 2000; stop < 8000; stop += 2000 {
		x := y.start().ready()
		x.eventually("some records are published", func() bool { return len(y.out.Records()) >= stop })
		x.halt()
	}
	x := y.start().ready()
	y.done(x)
	y.verify(x)
	if n := segments.Load(); n > 0 {
		t.Errorf("%d reads of segments after halts, want none", n)
	}
	if got := len(y.fast.Records()); got != y.records {
		t.Errorf("%d records were emitted at once, want %d: something was replayed after a halt", got, y.records)
	}
}

// A node that was killed goes on from its last checkpoint, with its disk, without it, and in turn.
func TestKill(t *testing.T) {
	for name, lose := range map[string]func(i int) bool{
		"disk stays":   func(int) bool { return false },
		"disk is lost": func(int) bool { return true },
		"in turn":      func(i int) bool { return i%2 == 1 },
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			y := newTally(t, 10_000, 100)
			for i := range 6 {
				x := y.start()
				stop := min(y.records, len(y.out.Records())+random.IntN(1500))
				x.eventually("some records are published", func() bool { return len(y.out.Records()) >= stop })
				x.kill()
				if lose(i) {
					if err := os.RemoveAll(y.config.Data); err != nil {
						t.Fatal(err)
					}
				}
			}
			x := y.start().ready()
			y.done(x)
			y.verify(x)
		})
	}
}

// A worker without shards has nothing to publish, and nothing waits for it: the records of a shard leave also after restarts at which
// no checkpoint follows.
func TestWorkerWithoutShards(t *testing.T) {
	y := newTally(t, 4000, 100)
	y.config.Shards = 1
	for i := range 3 {
		x := y.start()
		stop := 1000 * (i + 1)
		x.eventually("some records are published", func() bool { return len(y.out.Records()) >= stop })
		x.kill()
	}
	x := y.start().ready()
	y.done(x)
	y.verify(x)
}
