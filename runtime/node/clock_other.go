//go:build !linux

package node

import "time"

// bootClock is the time since the process started. Where the clock stands still while the machine sleeps, a leader
// that slept finds out at its next append only.
func bootClock() time.Duration { return time.Since(processStart) }

var processStart = time.Now()
