package harness

import (
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

// KillTime is how long a crash test kills: STATEWAY_CRASH_SECONDS, by default 20 s. Variants of a test take half of it.
func KillTime() time.Duration {
	if n, err := strconv.Atoi(os.Getenv("STATEWAY_CRASH_SECONDS")); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return 20 * time.Second
}

// KillSeed chooses what a crash test draws: STATEWAY_CRASH_SEED, otherwise another one each time, which the test tells.
func KillSeed() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("STATEWAY_CRASH_SEED"), 10, 64); err == nil {
		return n
	}
	return rand.Uint64N(1 << 32) //nolint:gosec // which pauses are drawn is no secret
}

// Killer tells when to kill, at random times until its time is over. It belongs to one goroutine.
type Killer struct {
	Rand  *rand.Rand
	until time.Time
}

// NewKiller makes a Killer whose time begins now.
func NewKiller(seed uint64, lasts time.Duration) *Killer {
	return &Killer{Rand: rand.New(rand.NewPCG(seed, 1)), until: time.Now().Add(lasts)} //nolint:gosec // see above
}

// Pause waits between half and all of limit and reports whether there is time for another kill.
func (k *Killer) Pause(limit time.Duration) bool {
	time.Sleep(limit/2 + time.Duration(k.Rand.Int64N(int64(limit/2))))
	return time.Now().Before(k.until)
}
