// Package allocator tells Go's garbage collector and the C library's allocator what the memory of a node means for them.
//
// What the environment says wins. Called once at the start of a process, by programs that are a node: these are settings of the
// whole process, which is why no library of ours touches them by itself.
package allocator

import (
	"os"
	"runtime/debug"
	"strings"
)

// Tune sets the garbage collector for a node that keeps memory bytes of messages, state and cache: a limit of one and a half times
// that, below which the heap may grow by gcPercent of what lives. And it has the C library give large blocks back once they are
// freed: the shards' stores keep their memtables there, in a binary built with cgo.
// GOMEMLIMIT, GOGC, MALLOC_MMAP_THRESHOLD_ and glibc.malloc.mmap_threshold in GLIBC_TUNABLES, where set, win over their part of it.
func Tune(memory int64, gcPercent int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory + memory/2)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("MALLOC_MMAP_THRESHOLD_") == "" && !strings.Contains(os.Getenv("GLIBC_TUNABLES"), "glibc.malloc.mmap_threshold") {
		returnLarge()
	}
}
