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
	var next, steps atomic.Uint64
	results := make(chan Counts)
	next.Store(*from)
	workers := runtime.GOMAXPROCS(0)
	for range workers {
		go func() {
			var sum Counts
			for {
				n := next.Add(1) - 1
				if n >= *from+uint64(*seeds) || t.Failed() { //nolint:gosec // not negative
					break
				}
				r := Run(n)
				steps.Add(uint64(r.Steps)) //nolint:gosec // not negative
				sum.Add(r.Counts)
				report(t, r)
			}
			results <- sum
		}()
	}
	var sum Counts
	for range workers {
		sum.Add(<-results)
	}
	t.Logf("%d seeds, %d events\n%s", *seeds, steps.Load(), sum.String())
	if never := sum.Never(); *seeds >= ruleFrom && len(never) > 0 && !t.Failed() {
		t.Errorf("never happened: %q", never)
	}
}

func report(t *testing.T, r Result) {
	t.Helper()
	if r.Failure == "" {
		return
	}
	t.Errorf("seed %d, after %d events: %s\n%s\nreplay: go test ./runtime/sim -run '^TestSim$' -args -seed=%d",
		r.Seed, r.Steps, r.Failure, r.Tail, r.Seed)
}
