package shard_test

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
	"github.com/stateway/stateway/runtime/shard/shardtest"
)

func TestPebble(t *testing.T) {
	shardtest.Run(t, func(*testing.T) shardtest.Disk {
		fs := vfs.NewCrashableMem()
		rng := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // a test
		return shardtest.Disk{
			Options: func() shard.Options { return shard.Options{Dir: "/data/here", FS: fs, Log: quiet()} },
			Crash: func() {
				fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rng})
			},
		}
	})
}

func TestPebbleOnDisk(t *testing.T) {
	shardtest.Run(t, func(t *testing.T) shardtest.Disk {
		dir := t.TempDir()
		return shardtest.Disk{
			Options: func() shard.Options { return shard.Options{Dir: dir, Log: quiet()} },
			// a disk cannot be made to forget what was not synced
		}
	})
}

func TestMemory(t *testing.T) {
	shardtest.Run(t, func(*testing.T) shardtest.Disk {
		m := new(shard.Memory)
		rng := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // a test
		return shardtest.Disk{
			Options: func() shard.Options { return shard.Options{Memory: m, Log: quiet()} },
			Crash:   func() { m.Crash(func(core.ShardID) bool { return rng.IntN(2) == 0 }) },
		}
	})
}
