package shard

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

// Set is the stores of one node: a data directory, locked.
type Set struct {
	options Options // set by Open, then constant
	disk    disk
	id      [16]byte

	told sync.Once // Options.Fatal

	mu     sync.Mutex
	stores map[core.ShardID]*Store // guarded by mu; nil once closed
}

// Open locks the data directory, makes it if needed, and empties what an earlier run left unfinished. It opens no
// shard. An ErrLocked says that somebody else has the directory.
func Open(o Options) (*Set, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Set{options: o, stores: make(map[core.ShardID]*Store)}
	var err error
	if o.Memory != nil {
		s.disk, s.id, err = o.Memory.open(o.ID)
	} else {
		s.disk, s.id, err = openDisk(o)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ID is the random id kept in the data directory. Who holds the directory's lock knows that no process that used
// this id before is alive.
func (s *Set) ID() [16]byte { return s.id }

// Store opens the store of a shard: with what lies on the disk if Usable allows it, otherwise empty, at checkpoint
// zero, after what lay there is deleted; the log says why. Different shards may be opened concurrently.
func (s *Set) Store(id core.ShardID, want Want) (*Store, error) {
	st := s.newStore(id)
	if err := s.enter(st); err != nil {
		return nil, err
	}
	if err := st.load(want); err != nil {
		s.leave(st)
		return nil, err
	}
	return st, nil
}

func (s *Set) newStore(id core.ShardID) *Store {
	st := &Store{set: s, id: id, types: newTypeSet(nil)}
	st.watch = &watch{shard: id, log: s.options.Log, mark: s.disk.mark, fatal: s.fatal, dead: make(chan struct{})}
	st.meta.Store(&Meta{Application: s.options.Application, Shard: id})
	return st
}

func (s *Set) fatal(err error) {
	s.told.Do(func() {
		if s.options.Fatal != nil {
			s.options.Fatal(err)
		}
	})
}

func (s *Set) enter(st *Store) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stores == nil {
		return fmt.Errorf("open shard %d: %w", st.id, ErrClosed)
	}
	if s.stores[st.id] != nil {
		return fmt.Errorf("open shard %d: it is open already", st.id)
	}
	s.stores[st.id] = st
	return nil
}

func (s *Set) leave(st *Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stores[st.id] == st {
		delete(s.stores, st.id)
	}
}

// all are the open stores in the order of their shards.
func (s *Set) all() []*Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	stores := make([]*Store, 0, len(s.stores))
	for _, st := range s.stores {
		stores = append(stores, st)
	}
	slices.SortFunc(stores, func(a, b *Store) int { return int(a.id) - int(b.id) })
	return stores
}

// Metrics adds up what the open stores measure.
func (s *Set) Metrics() Metrics {
	m := s.disk.metrics()
	for _, st := range s.all() {
		m.add(st.Metrics())
	}
	return m
}

// Close closes the stores that are open, without flushing them, and unlocks the directory. If a store failed so that its
// engine cannot be stopped, it returns an ErrStore and the directory stays locked until the process ends.
func (s *Set) Close() error {
	var errs []error
	for _, st := range s.all() {
		errs = append(errs, st.Close())
	}
	s.mu.Lock()
	closed := s.stores == nil
	s.stores = nil
	s.mu.Unlock()
	if closed {
		return nil
	}
	err := errors.Join(errs...)
	if errors.Is(err, ErrStore) {
		return err
	}
	return errors.Join(err, s.disk.close())
}
