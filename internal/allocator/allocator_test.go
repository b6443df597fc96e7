package allocator_test

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/stateway/stateway/internal/allocator"
)

func TestTheEnvironmentWins(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	for _, c := range []struct {
		rule           string
		gogc, golimit  string
		percent, limit int64
	}{
		{"nothing said: both are set", "", "", 300, 96 << 20},
		{"GOGC said", "50", "", 100, 96 << 20},
		{"GOMEMLIMIT said", "", "1GiB", 300, math.MaxInt64},
	} {
		t.Run(c.rule, func(t *testing.T) {
			debug.SetGCPercent(100)
			debug.SetMemoryLimit(math.MaxInt64)
			t.Setenv("GOGC", c.gogc)
			t.Setenv("GOMEMLIMIT", c.golimit)
			allocator.Tune(64<<20, 300)
			percent, limit := int64(debug.SetGCPercent(100)), debug.SetMemoryLimit(-1)
			if percent != c.percent || limit != c.limit {
				t.Errorf("GOGC %d and a limit of %d, want %d and %d", percent, limit, c.percent, c.limit)
			}
		})
	}
}
