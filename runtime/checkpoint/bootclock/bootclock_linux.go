package bootclock

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time since the machine was booted, sleep included.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("bootclock: CLOCK_BOOTTIME, which Linux has since 2.6.39: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
