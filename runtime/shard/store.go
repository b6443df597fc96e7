package shard

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/stateway/stateway/runtime/core"
)

// Store is the rows of one shard as of one committed checkpoint. It has a database from the first commit that puts
// a row.
type Store struct {
	set   *Set // set by Set.Store, then constant
	id    core.ShardID
	watch *watch

	commit  sync.Mutex // held while the rows change, across I/O
	lineage *string    // guarded by commit: of the next commits, nil leaves it as it is

	closing sync.RWMutex // held for reading while the database is used
	closed  bool         // guarded by closing

	db    atomic.Pointer[database] // changed under commit
	meta  atomic.Pointer[Meta]     // changed under commit
	types *typeSet
}

// database holds an engine, so that it can be swapped in at once.
type database struct{ engine }

// Shard is the shard whose rows the store holds.
func (s *Store) Shard() core.ShardID { return s.id }

// Meta tells which checkpoint the store holds. NextSeq and Lineage are those of the last commit.
func (s *Store) Meta() Meta { return *s.meta.Load() }

// Empty reports whether nothing was ever put into the store: it has no database.
func (s *Store) Empty() bool { return s.db.Load() == nil }

// SetLineage names the chain of manifests to which the checkpoints committed from now on belong.
func (s *Store) SetLineage(lineage string) {
	s.commit.Lock()
	defer s.commit.Unlock()
	s.lineage = &lineage
}

// check reports why the store cannot be used.
func (s *Store) check() error {
	if err := s.watch.err(); err != nil {
		return err
	}
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return fmt.Errorf("shard %d: %w", s.id, ErrClosed)
	}
	return nil
}

// errNothing: nothing was flushed yet, so that there is not even a description.
var errNothing = fmt.Errorf("%w: there is none", errMeta)

// load opens what lies on the disk, or deletes it.
func (s *Store) load(want Want) error {
	e, meta, types, err := s.open(func(w *watch) (engine, error) { return s.set.disk.load(s.id, w) }, want)
	if err == nil {
		s.install(e, meta, types)
		return nil
	}
	if errors.Is(err, errNone) {
		return nil
	}
	level := slog.LevelWarn
	if errors.Is(err, errNothing) {
		level = slog.LevelDebug // the process ended before the first flush
	}
	s.set.options.Log.Log(context.Background(), level,
		"the shard's local files are deleted, and it is fetched from the bucket", "shard", s.id, "because", err)
	if err := s.set.disk.remove(s.id); err != nil {
		return s.watch.fail("delete local files that cannot be used", err)
	}
	return nil
}

// open opens a database and looks whether it is wanted.
func (s *Store) open(from func(*watch) (engine, error), want Want) (e engine, meta Meta, types []string, err error) {
	s.watch.probe()
	defer func() {
		if broken := s.watch.probed(); errors.Is(err, errNothing) && broken != nil {
			err = broken
		} else {
			err = errors.Join(err, broken)
		}
		if err != nil && e != nil {
			_ = e.close() // it goes away
		}
	}()
	if e, err = from(s.watch); err != nil {
		return nil, meta, nil, err
	}
	if meta, types, err = s.stored(e); err != nil {
		return e, meta, nil, err
	}
	return e, meta, types, Usable(meta, s.set.options.Application, s.id, want)
}

// stored reads the store's own rows.
func (s *Store) stored(e engine) (meta Meta, types []string, err error) {
	defer s.watch.recovered("read the description", &err)
	c, err := e.cursor()
	if err != nil {
		return meta, nil, err
	}
	defer e.release(c)
	if !c.SeekPrefix(metaKey) {
		if err := c.Err(); err != nil {
			return meta, nil, err
		}
		return meta, nil, errNothing
	}
	value, err := c.Value()
	if err != nil {
		return meta, nil, err
	}
	if meta, err = parseMeta(value); err != nil {
		return meta, nil, err
	}
	types, err = readTypes(c)
	return meta, types, err
}

// install makes an opened database the store's.
func (s *Store) install(e engine, meta Meta, types []string) {
	s.types = newTypeSet(types)
	s.meta.Store(&meta)
	s.db.Store(&database{e})
}

// Commit makes the store hold checkpoint n: the rows of one overlay or section for each checkpoint since the last
// commit, in their order; of several values of a key the last counts. All of it, n and next become visible, and later
// durable, at once. A row's bytes are used only until the sequence goes on. n must be larger than what the store holds.
//
// An ErrStore ends the node. Any other error says what is wrong with the call, and changed nothing.
func (s *Store) Commit(n core.CheckpointID, next core.Seq, rows ...iter.Seq[core.Row]) (err error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.check(); err != nil {
		return err
	}
	meta := s.Meta()
	if n <= meta.Checkpoint {
		return fmt.Errorf("commit checkpoint %d to shard %d: it holds checkpoint %d already", n, s.id, meta.Checkpoint)
	}
	meta.Checkpoint, meta.NextSeq = n, next
	if s.lineage != nil {
		meta.Lineage = *s.lineage
	}
	defer s.watch.recovered("commit", &err)
	w := commitWriter{store: s}
	defer w.discard()
	for _, seq := range rows {
		for row := range seq {
			if err := w.add(row); err != nil {
				return fmt.Errorf("commit checkpoint %d to shard %d: %w", n, s.id, err)
			}
		}
	}
	if err := w.finish(meta); err != nil {
		return fmt.Errorf("commit checkpoint %d to shard %d: %w", n, s.id, err)
	}
	s.meta.Store(&meta)
	return nil
}

// Flush returns when what the store holds is durable: a start then finds this checkpoint, or a newer one.
func (s *Store) Flush() (err error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.check(); err != nil {
		return err
	}
	db := s.db.Load()
	if db == nil {
		return nil
	}
	defer s.watch.recovered("flush", &err)
	if err := db.flush(); err != nil {
		return s.watch.fail("flush", err)
	}
	return s.watch.err()
}

// Base copies the store's files as they are at its checkpoint, flushed. The caller closes it. Commits wait meanwhile,
// for about as long as a flush takes, and for reading files that this process has not yet put into a base.
func (s *Store) Base() (_ *Base, err error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.check(); err != nil {
		return nil, err
	}
	db := s.db.Load()
	if db == nil || s.Meta().Checkpoint == 0 {
		return &Base{Meta: s.Meta()}, nil
	}
	defer s.watch.recovered("make a base", &err)
	b, err := db.export()
	if err != nil {
		return nil, s.watch.fail("make a base", err)
	}
	if err := s.watch.err(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.Meta = s.Meta()
	return b, nil
}

// Metrics are the numbers of this store; zero while it has no database.
func (s *Store) Metrics() Metrics {
	s.closing.RLock()
	defer s.closing.RUnlock()
	db := s.db.Load()
	if s.closed || db == nil {
		return Metrics{}
	}
	return db.metrics()
}

// Close waits for reads and commits under way. It does not flush: what is not durable is committed again by the next
// start, from the bucket. A second Close does nothing.
func (s *Store) Close() error {
	s.commit.Lock()
	defer s.commit.Unlock()
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	defer s.set.leave(s)
	db := s.db.Swap(nil)
	if db == nil {
		return nil
	}
	if s.watch.abandoned() {
		return fmt.Errorf("close shard %d: its engine cannot be stopped: %w", s.id, s.watch.err())
	}
	if err := db.close(); err != nil {
		return fmt.Errorf("close shard %d: %w", s.id, err)
	}
	return nil
}

// Delete closes the store and deletes its files, for a shard that this node does not own any more.
func (s *Store) Delete() error {
	if err := s.Close(); errors.Is(err, ErrStore) {
		return err
	} else if err != nil {
		s.set.options.Log.Debug("closing a shard that is deleted", "shard", s.id, "error", err)
	}
	if err := s.set.disk.remove(s.id); err != nil {
		return fmt.Errorf("delete shard %d: %w", s.id, err)
	}
	return nil
}
