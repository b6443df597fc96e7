package sim

import (
	"flag"
	"runtime"
	"sync/atomic"
	"testing"
)

var (
	seeds = flag.Int("seeds", 200, "how many seeds TestSim runs")
	from  = flag.Uint64("from", 1, "the first of them")
	seed  = flag.Uint64("seed", 0, "run this seed alone")
)

// ruleFrom is how many seeds it takes until every kind of fault must have happened.
const ruleFrom = 500

func TestSim(t *testing.T) {
	if *seed != 0 {
		report(t, Run(*seed))
		return
	}
	sum := runSeeds(t, *from, *seeds)
	t.Logf("%d seeds: %d events, %d tries, %d commits\n%s", *seeds, sum.Steps, sum.Tries, sum.Commits, sum.Counts.String())
	if never := sum.Counts.Never(); *seeds >= ruleFrom && len(never) > 0 && !t.Failed() {
		t.Errorf("never happened: %q", never)
	}
}

// runSeeds runs n seeds on all cores, each in one goroutine, until one fails.
func runSeeds(t *testing.T, first uint64, n int) (sum Result) {
	var next atomic.Uint64
	next.Store(first)
	workers := runtime.GOMAXPROCS(0)
	sums := make(chan Result)
	for range workers {
		go func() {
			var sum Result
			for k := next.Add(1) - 1; k < first+uint64(n) && !t.Failed(); k = next.Add(1) - 1 { //nolint:gosec // not negative
				r := Run(k)
				report(t, r)
				sum.add(r)
			}
			sums <- sum
		}()
	}
	for range workers {
		sum.add(<-sums)
	}
	return sum
}

func (r *Result) add(o Result) {
	r.Steps += o.Steps
	r.Tries += o.Tries
	r.Commits += o.Commits
	r.Counts.Add(o.Counts)
}

func report(t *testing.T, r Result) {
	t.Helper()
	if r.Failure == "" {
		return
	}
	t.Errorf("seed %d, after %d events: %s\n%s\nreplay: go test ./runtime/sim -run '^TestSim$' -args -seed=%d",
		r.Seed, r.Steps, r.Failure, r.Tail, r.Seed)
}
