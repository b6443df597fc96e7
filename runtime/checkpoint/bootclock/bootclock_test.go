package bootclock_test

import (
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint/bootclock"
)

func TestNowNeverGoesBack(t *testing.T) {
	last := bootclock.Now()
	for range 1000 {
		now := bootclock.Now()
		if now < last {
			t.Fatalf("%v came after %v", now, last)
		}
		last = now
	}
}
