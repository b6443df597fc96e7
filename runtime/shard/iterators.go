package shard

import (
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// keepIterators is how many idle iterators a shard keeps between two commits.
const keepIterators = 4

// iterPool keeps iterators between reads: to make one costs more than a read of a small Address. An iterator
// shows the rows as they were when it was made, so a commit ends all of them.
type iterPool struct {
	db atomic.Pointer[pebble.DB]

	mu     sync.Mutex
	state  uint64 // counts invalidations
	idle   []*pebbleCursor
	closed bool
}

func (p *iterPool) get() (*pebbleCursor, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	state := p.state
	p.mu.Unlock()
	it, err := p.db.Load().NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return nil, err
	}
	return &pebbleCursor{Iterator: it, state: state}, nil
}

func (p *iterPool) put(c *pebbleCursor) {
	p.mu.Lock()
	if !p.closed && c.state == p.state && len(p.idle) < keepIterators && c.Error() == nil {
		p.idle = append(p.idle, c)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	_ = c.Close() // an error of reading was returned by the read
}

// invalidate closes the idle iterators, and those in use when they come back.
func (p *iterPool) invalidate() { closeAll(p.outdate()) }

// outdate returns the idle iterators, for closing; those in use are closed when they come back.
func (p *iterPool) outdate() []*pebbleCursor {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle
	p.idle = nil
	p.state++
	return idle
}

func closeAll(idle []*pebbleCursor) {
	for _, c := range idle {
		_ = c.Close()
	}
}

func (p *iterPool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.invalidate()
}

// pebbleCursor is a cursor over an iterator.
type pebbleCursor struct {
	*pebble.Iterator
	state uint64 // of the pool when it was made
}

func (c *pebbleCursor) SeekPrefix(key []byte) bool { return c.SeekPrefixGE(key) }

func (c *pebbleCursor) Value() ([]byte, error) { return c.ValueAndErr() }

func (c *pebbleCursor) Err() error { return c.Error() }
