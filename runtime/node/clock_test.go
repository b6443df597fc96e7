package node

import (
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

func TestClockNeverGoesBackNorStandsStill(t *testing.T) {
	c := newClock(5_000)
	steps := []struct {
		why    string
		passed time.Duration
		wall   int64
		want   core.Millis
	}{
		{"the wall clock is behind the restore point", 0, 1_000, 5_000},
		{"and time goes on at its pace", 700 * time.Millisecond, 1_700, 5_700},
		{"the wall clock was set right", time.Second, 9_000, 9_000},
		{"and set back", 2 * time.Second, 3_000, 10_000},
		{"the machine slept for an hour", 3 * time.Second, 3_609_000, 3_609_000},
		{"after that it is ahead still", 4 * time.Second, 3_610_000, 3_610_000},
	}
	for _, s := range steps {
		if got := c.at(s.passed, s.wall); got != s.want {
			t.Errorf("%s: after %s with the wall clock at %d: %d, want %d", s.why, s.passed, s.wall, got, s.want)
		}
	}
}
