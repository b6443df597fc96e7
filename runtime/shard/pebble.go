package shard

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// maxBatch bounds the bytes of one commit; Pebble counts them with 32 bits.
const maxBatch = 3 << 30

var errBatchTooLarge = errors.New("more than 3 GiB in one commit: commit fewer checkpoints at once")

// pebbleEngine is one shard's Pebble database.
type pebbleEngine struct {
	fs    vfs.FS
	dir   string
	aside func() string // a new path for an export
	watch *watch
	sums  fileSums
	large int // bytes of a commit from which on its memory is freed at once

	db    *pebble.DB // set by openPebble, then constant
	iters iterPool
	tidy  sync.WaitGroup // goroutines that close idle iterators; end by themselves
}

// openPebble opens the database in dir. It must exist if fresh is false, and must not if it is true.
func openPebble(d *pebbleDisk, dir string, fresh bool, w *watch) (_ *pebbleEngine, err error) {
	defer w.recovered("open Pebble", &err)
	e := &pebbleEngine{fs: d.fs, dir: dir, aside: d.exportPath(w.shard), watch: w, large: int(d.options.MemTableSize)} //nolint:gosec // validated
	o := d.options.Clone()
	o.Logger = w
	o.Experimental.CompactionScheduler = &seat{all: d.compactions}
	o.ErrorIfExists, o.ErrorIfNotExists = fresh, !fresh
	o.EventListener = e.listener()
	if e.db, err = pebble.Open(dir, o); err != nil {
		return nil, err
	}
	e.iters.db.Store(e.db)
	return e, nil
}

func (e *pebbleEngine) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			_ = e.watch.fail("flush or compact", err)
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			_ = e.watch.fail("read "+info.Path, fmt.Errorf("%w: %w", errDamaged, info.Details))
		},
		FlushEnd:      func(pebble.FlushInfo) { e.newFiles() },
		CompactionEnd: func(pebble.CompactionInfo) { e.newFiles() },
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			e.watch.log.Debug("a shard's commit waits for flushes or compactions", "shard", e.watch.shard, "reason", info.Reason)
		},
	}
}

// newFiles drops the idle iterators, which pin files and tables in memory that are not needed any more. Pebble holds
// its lock, which closing an iterator may need.
func (e *pebbleEngine) newFiles() {
	if idle := e.iters.outdate(); len(idle) > 0 {
		e.tidy.Go(func() { closeAll(idle) })
	}
}

func (e *pebbleEngine) cursor() (cursor, error) { return e.iters.get() }

func (e *pebbleEngine) release(c cursor) { e.iters.put(c.(*pebbleCursor)) }

func (e *pebbleEngine) batch() batch { return &pebbleBatch{engine: e, b: e.db.NewBatch()} }

func (e *pebbleEngine) flush() error { return e.watch.await("flush", e.db.Flush) }

func (e *pebbleEngine) metrics() Metrics {
	m := e.db.Metrics()
	return Metrics{
		Shards:         1,
		DiskBytes:      m.DiskSpaceUsage(),
		MemTableBytes:  m.MemTable.Size,
		ZombieBytes:    m.MemTable.ZombieSize + m.Table.ZombieSize,
		Compactions:    m.Compact.Count,
		CompactionDebt: m.Compact.EstimatedDebt,
		Flushes:        m.Flush.Count,
		Files:          m.Total().TablesCount,
		L0Sublevels:    int64(m.Levels[0].Sublevels),
	}
}

// close does not flush: what is not durable is committed again from the bucket.
func (e *pebbleEngine) close() (err error) {
	defer e.watch.recovered("close Pebble", &err)
	e.iters.close()
	e.tidy.Wait()
	err = e.db.Close()
	e.tidy.Wait()
	return err
}

type pebbleBatch struct {
	engine *pebbleEngine
	b      *pebble.Batch
}

func (b *pebbleBatch) set(key, value []byte) error {
	if b.b.Len()+len(key)+len(value) > maxBatch {
		return errBatchTooLarge
	}
	return b.b.Set(key, value, nil)
}

func (b *pebbleBatch) remove(key []byte) error {
	if b.b.Len()+len(key) > maxBatch {
		return errBatchTooLarge
	}
	return b.b.Delete(key, nil)
}

func (b *pebbleBatch) commit() error {
	return b.engine.watch.await("commit", func() error {
		large := b.b.Len() >= b.engine.large
		if large {
			if err := b.engine.db.Flush(); err != nil { // so that few are queued: see letGo
				return errors.Join(err, b.b.Close())
			}
		}
		err := b.b.Commit(pebble.NoSync)
		b.engine.iters.invalidate()
		if err = errors.Join(err, b.b.Close()); err == nil && large {
			err = b.engine.letGo()
		}
		return err
	})
}

// letGo has Pebble free a batch as large as a memtable. Until it is flushed Pebble keeps it as it is, beside the memtables and with no bound over all
// shards; and what was flushed stays reachable by the array behind the queue of memtables until that is full: with few in it, after two more. Smaller
// ones, from half a memtable on, are kept in the same way until later commits: one for each shard.
func (e *pebbleEngine) letGo() error {
	for range 2 {
		if err := e.db.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (b *pebbleBatch) discard() { _ = b.b.Close() }
