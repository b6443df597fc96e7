package node

import (
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

// clock tells the core's time: at least the restore point's and the wall clock's, and never back. While the wall clock is behind,
// because it was set back, the core's time goes on at its pace and does not wait for it: no retry, delayed message or checkpoint would
// come due in the meantime. After a sleep of the machine, which the monotonic clock leaves out, it catches up.
type clock struct {
	started time.Time
	ahead   atomic.Int64 // milliseconds of the core's time at started, as far as is known; never falls
}

func newClock(base core.Millis) *clock {
	c := &clock{started: time.Now()}
	c.ahead.Store(int64(base))
	return c
}

// now is the core's time. It may be called from any goroutine.
func (c *clock) now() core.Millis {
	t := time.Now()
	return c.at(t.Sub(c.started), t.UnixMilli())
}

// at is the core's time when so much has passed since started and the wall clock shows wall.
func (c *clock) at(passed time.Duration, wall int64) core.Millis {
	ms := passed.Milliseconds()
	for {
		ahead := c.ahead.Load()
		if wall-ms <= ahead || c.ahead.CompareAndSwap(ahead, wall-ms) {
			return core.Millis(max(ahead, wall-ms) + ms)
		}
	}
}
