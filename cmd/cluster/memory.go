package main

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow to three times of what lives before it is collected: what lives is small at first, and near the memory
// limit the collector runs more often by itself.
const gcPercent = 200

// tuneMemory tells the garbage collector what --memory means for it. What GOGC and GOMEMLIMIT say wins.
func tuneMemory(memory int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory + memory/2)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
