package shard

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/core"
)

// Options of a Set. The zero value of a field means its default.
type Options struct {
	// Dir is the data directory. It is made if it does not exist. Not used with Memory.
	Dir string
	// Application is the id that every store of the directory must carry.
	Application core.ApplicationID
	// Memory, if set, holds the shards instead of Dir: for tests and simulations.
	Memory *Memory
	// FS is the file system of Dir. Nil means that of the machine.
	FS vfs.FS
	// CacheBytes bounds the block cache that all shards share. Zero means 64 MiB. A small one costs reads of the disk.
	CacheBytes int64
	// MemTableBytes bounds the table in memory that takes a shard's commits; up to two of them exist for a shard that
	// is written to. They begin at 256 KiB and double. Zero means 2 MiB. A small one costs more flushes.
	MemTableBytes int
	// OpenFiles bounds the table files kept open by all shards. Zero means 2,048.
	OpenFiles int
	// Compactions bounds how many compactions run at once, over all shards. Zero means half of the cores, at least one.
	Compactions int
	// ID is a new data directory's id, if not zero. Zero means a random one. An id that is there is kept.
	ID [16]byte
	// Log gets what an operator should know, and Pebble's own messages at debug level. Nil means slog.Default.
	Log *slog.Logger
	// Fatal, if set, is told the first error of a store's storage, once, from any goroutine. It must not block, nor
	// call the Set. The error is an ErrStore; the node must end.
	Fatal func(error)
}

const (
	defaultCache    = 64 << 20
	defaultMemTable = 2 << 20
	minMemTable     = 256 << 10
	maxMemTable     = 1 << 30
	defaultFiles    = 2048
	minFiles        = 16
	fileCacheShards = 4
	keepManifest    = 1 << 20 // bytes; a base carries the manifest, so it stays short
	separateValues  = 16 << 10
)

func (o Options) withDefaults() Options {
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCache
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = defaultMemTable
	}
	if o.OpenFiles == 0 {
		o.OpenFiles = defaultFiles
	}
	if o.Compactions == 0 {
		o.Compactions = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

func (o Options) validate() error {
	var all []error
	if o.Dir == "" && o.Memory == nil {
		all = append(all, errors.New("shard.Options.Dir: is empty: name a data directory"))
	}
	if o.CacheBytes < 0 {
		all = append(all, fmt.Errorf("shard.Options.CacheBytes: %d is negative", o.CacheBytes))
	}
	if o.MemTableBytes < minMemTable || o.MemTableBytes > maxMemTable {
		all = append(all, fmt.Errorf("shard.Options.MemTableBytes: %d is not from %d to %d", o.MemTableBytes, minMemTable, maxMemTable))
	}
	if o.OpenFiles < minFiles {
		all = append(all, fmt.Errorf("shard.Options.OpenFiles: %d is less than %d", o.OpenFiles, minFiles))
	}
	if o.Compactions < 0 {
		all = append(all, fmt.Errorf("shard.Options.Compactions: %d is negative", o.Compactions))
	}
	return errors.Join(all...)
}

// pebbleOptions are those of every database of a Set, except for what belongs to one shard.
func (o Options) pebbleOptions(cache *pebble.Cache, files *pebble.FileCache) *pebble.Options {
	p := &pebble.Options{
		FS:                          o.FS,
		Cache:                       cache,
		FileCache:                   files,
		Comparer:                    newComparer(),
		DisableWAL:                  true,
		FormatMajorVersion:          PebbleFormat,
		MemTableSize:                uint64(o.MemTableBytes), //nolint:gosec // validated
		MemTableStopWritesThreshold: 2,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		MaxManifestFileSize:         keepManifest,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 1 },
	}
	p.Levels[0].BlockSize = 4 << 10
	p.Levels[0].IndexBlockSize = 64 << 10 // small tables get along with one index block
	p.Levels[0].FilterPolicy = bloom.FilterPolicy(10)
	// What was read does not decide what is compacted: an idle shard stays idle.
	p.Experimental.ReadSamplingMultiplier = -1
	// The rows of an Address are read together, so small values stay beside their keys. Large ones lie in files
	// of their own: scans step over them, and compactions do not copy them.
	p.Experimental.SpanPolicyFunc = func([]byte) (pebble.SpanPolicy, []byte, error) {
		return pebble.SpanPolicy{DisableValueSeparationBySuffix: true}, nil, nil
	}
	p.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{
			Enabled:               true,
			MinimumSize:           separateValues,
			MaxBlobReferenceDepth: 8,
			TargetGarbageRatio:    0.3,
		}
	}
	return p
}
