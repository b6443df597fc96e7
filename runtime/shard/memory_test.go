package shard_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// heapBytes is what lives on the heap.
func heapBytes() int64 {
	runtime.GC()
	runtime.GC() // what a pool held over the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // not that many
}

// commitSmall commits so many bytes, and a bit.
func commitSmall(t *testing.T, s *shard.Store, n core.CheckpointID, size int) {
	t.Helper()
	rows := func(yield func(core.Row) bool) {
		for i := range 100 {
			if !yield(core.Row{Key: core.StateKey(benchAddress(i+1), "small"), Value: make([]byte, 1+size/100)}) {
				return
			}
		}
	}
	if err := s.Commit(n, 0, rows); err != nil {
		t.Fatal(err)
	}
}

// What a commit with a large value took is free again when it returns, however many shards there are: Pebble has tables in memory of a fixed
// size, and keeps a larger batch as it is. Small commits come before, in which the tables grow.
func TestLargeCommitsLeaveMemory(t *testing.T) {
	set, err := shard.Open(shard.Options{Dir: t.TempDir(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	const shards, size = 12, 8 << 20
	value := bytes.Repeat([]byte("stateway"), size/8)
	var stores [shards]*shard.Store
	for id := range stores {
		if stores[id], err = set.Store(core.ShardID(id), shard.Want{}); err != nil { //nolint:gosec // small
			t.Fatal(err)
		}
	}
	for n := range core.CheckpointID(20) {
		for i, s := range stores {
			commitSmall(t, s, n+1, i*20_000)
		}
	}
	before := heapBytes()
	for n := range core.CheckpointID(2) {
		for _, s := range stores {
			rows := func(yield func(core.Row) bool) {
				yield(core.Row{Key: core.StateKey(benchAddress(0), "large"), Value: value})
			}
			if err := s.Commit(n+21, 0, rows); err != nil {
				t.Fatal(err)
			}
		}
	}
	if grown := heapBytes() - before; grown > shards*size*3/4 { // compactions have some
		t.Errorf("%d commits of %d bytes left %d bytes on the heap", 2*shards, size, grown)
	}
	for _, s := range stores {
		got, err := s.State(benchAddress(0), "large")
		if err != nil || !bytes.Equal(got, value) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
	}
}
