package shard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

// Memory is a disk that lies in memory, for the Sets of tests and simulations: opening and closing cost nothing,
// everything is done when a call returns, and no goroutine runs. It outlives the Sets that use it one after the other.
// The zero Memory is an empty disk.
type Memory struct {
	mu     sync.Mutex
	id     [16]byte
	life   int                       // counts Sets and crashes; an older engine writes nothing
	locked bool                      // a Set has it
	kept   map[core.ShardID]*table   // durable
	recent map[core.ShardID]*table   // committed, lost in a crash; those of open engines
	marked map[core.ShardID]struct{} // damaged
	fault  func(core.ShardID) error  // of FailNext
}

// Crash takes the disk from the Set that has it, as if its process had died. Of each shard what was flushed last is
// left, or, if late allows it, what was committed last. A nil late keeps flushed rows only.
func (m *Memory) Crash(late func(core.ShardID) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, t := range m.recent {
		if late != nil && late(id) {
			m.keep(id, t)
		}
	}
	m.recent = nil
	m.locked = false
	m.life++
}

// Fault makes every later commit and flush ask f for an error of the storage. Nil ends it.
func (m *Memory) Fault(f func(core.ShardID) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = f
}

func (m *Memory) keep(id core.ShardID, t *table) {
	if m.kept == nil {
		m.kept = make(map[core.ShardID]*table)
	}
	m.kept[id] = t
}

var noID [16]byte

// open locks the disk. A first Set without an id of its own gets a fixed one: the same run gives the same ids.
func (m *Memory) open(id [16]byte) (*memoryDisk, [16]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked {
		return nil, noID, fmt.Errorf("%w: the disk in memory belongs to another Set: close that one first", ErrLocked)
	}
	m.locked = true
	m.life++
	if m.id == noID {
		if m.id = id; id == noID {
			m.id = [16]byte{15: 1}
		}
	}
	return &memoryDisk{m: m, life: m.life}, m.id, nil
}

// memoryDisk is a Memory while one Set has it.
type memoryDisk struct {
	m    *Memory
	life int
}

func (d *memoryDisk) engine(id core.ShardID, w *watch, t *table) engine {
	e := &memoryEngine{disk: d, id: id, watch: w}
	e.rows.Store(t)
	return e
}

func (d *memoryDisk) load(id core.ShardID, w *watch) (engine, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	t := d.m.kept[id]
	if t == nil {
		return nil, errNone
	}
	if _, marked := d.m.marked[id]; marked {
		return nil, fmt.Errorf("%w, as an earlier run found", errDamaged)
	}
	return d.engine(id, w, t), nil
}

func (d *memoryDisk) create(id core.ShardID, w *watch) (engine, error) {
	return d.engine(id, w, new(table)), nil
}

func (d *memoryDisk) remove(id core.ShardID) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if d.life != d.m.life {
		return ErrClosed
	}
	delete(d.m.kept, id)
	delete(d.m.recent, id)
	delete(d.m.marked, id)
	return nil
}

func (d *memoryDisk) mark(id core.ShardID, _ error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if d.m.marked == nil {
		d.m.marked = make(map[core.ShardID]struct{})
	}
	d.m.marked[id] = struct{}{}
}

func (d *memoryDisk) metrics() Metrics { return Metrics{} }

func (d *memoryDisk) close() error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if d.life == d.m.life {
		d.m.locked = false
		d.m.recent = nil
	}
	return nil
}

// wrote notes what a commit or a flush left, unless the disk belongs to somebody else by now.
func (d *memoryDisk) wrote(id core.ShardID, t *table, durable bool) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if d.life != d.m.life {
		return errors.New("the disk in memory was taken away by a crash")
	}
	if d.m.fault != nil {
		if err := d.m.fault(id); err != nil {
			return err
		}
	}
	if durable {
		d.m.keep(id, t)
		return nil
	}
	if d.m.recent == nil {
		d.m.recent = make(map[core.ShardID]*table)
	}
	d.m.recent[id] = t
	return nil
}

func (d *memoryDisk) stage(id core.ShardID) (staging, error) {
	return &stagedTable{disk: d, id: id, files: make(map[string]*bytes.Buffer)}, nil
}

// stagedTable takes the one file of a base in memory.
type stagedTable struct {
	disk *memoryDisk
	id   core.ShardID

	mu    sync.Mutex
	files map[string]*bytes.Buffer // guarded by mu
}

func (s *stagedTable) create(name string) (io.WriteCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := new(bytes.Buffer)
	s.files[name] = b
	return nopCloser{b}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func (s *stagedTable) promote(w *watch) (engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.files[tableFile]
	if b == nil {
		return nil, fmt.Errorf("it has no file %q", tableFile)
	}
	t, err := parseTable(b.Bytes())
	if err != nil {
		return nil, err
	}
	if err := s.disk.wrote(s.id, t, true); err != nil {
		return nil, err
	}
	return s.disk.engine(s.id, w, t), nil
}

func (s *stagedTable) abort() error { return nil }
