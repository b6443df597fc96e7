//go:build cgo && linux

package allocator

// #include <features.h>
// #include <stdlib.h>
// #ifdef __GLIBC__
// #include <malloc.h>
//
// static void map_from(int bytes) { mallopt(M_MMAP_THRESHOLD, bytes); }
// #else
// static void map_from(int bytes) { (void)bytes; }
// #endif
import "C"

// large is where a block gets pages of its own, which the kernel has back once it is freed. Memtables are as large or larger; the blocks in the
// stores' caches are smaller, but for those of large values.
const large = 256 << 10

// returnLarge keeps glibc's threshold for such blocks where it is. By itself it rises to the size of whatever was freed, up to
// 32 MiB: from then on memtables come from glibc's arenas, which keep what was freed below any block still in use. Other
// C libraries have no such threshold. What is free at an end of an arena goes back from 128 KiB on, which does not rise any more either.
func returnLarge() { C.map_from(large) }
