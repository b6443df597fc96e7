//go:build !linux

package bootclock

import "time"

var start = time.Now()

// Now is the time since the program was started. It may stand still while the machine sleeps: for an
// hour after a longer sleep, a leader whose log was cut off meanwhile would not notice. The log of a
// file:// bucket is safe all the same, for its folders are closed when they are cut off.
func Now() time.Duration { return time.Since(start) }
