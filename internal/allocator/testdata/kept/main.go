//go:build cgo && linux

// Command kept prints how many bytes of freed C memory the process still has: 64 blocks of a MiB, each with a small one after it that
// stays. With the argument "tune" the process is tuned first.
package main

// #include <stdlib.h>
import "C"

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/stateway/stateway/internal/allocator"
)

const (
	blocks = 64
	size   = 1 << 20
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "tune" {
		allocator.Tune(64<<20, 200)
	}
	C.free(C.malloc(size)) // whereupon glibc's threshold rises to this size, unless it is fixed
	before := resident()
	var freed, kept [blocks]unsafe.Pointer
	for i := range blocks {
		freed[i], kept[i] = C.malloc(size), C.malloc(64)
		clear(unsafe.Slice((*byte)(freed[i]), size))
	}
	for _, b := range freed {
		C.free(b)
	}
	fmt.Println(resident() - before)
	for _, b := range kept {
		C.free(b)
	}
}

// resident is the anonymous memory of this process, in bytes.
func resident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		panic(err)
	}
	return kib << 10
}
