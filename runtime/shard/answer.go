package shard

import (
	"bytes"
	"fmt"

	"github.com/stateway/stateway/runtime/core"
)

// Answer performs a read effect of the core (runtime/core/reads.go) and returns the event that answers it. A limit
// of zero or less counts as one. An ErrStore ends the node.
func (s *Store) Answer(read core.Effect) (core.Event, error) {
	switch r := read.(type) {
	case core.LoadAddress:
		return event(s.LoadAddress(r))
	case core.LoadMailbox:
		return event(s.LoadMailbox(r))
	case core.FindDedupe:
		return event(s.FindDedupe(r))
	case core.FindTokens:
		return event(s.FindTokens(r))
	case core.ReadTimers:
		return event(s.ReadTimers(r))
	case core.ReadOutbox:
		return event(s.ReadOutbox(r))
	case core.ReadBacklog:
		return event(s.ReadBacklog(r))
	case core.ReadFailures:
		return event(s.ReadFailures(r))
	case core.LoadFailures:
		return event(s.LoadFailures(r))
	case core.ReadExpiring:
		return event(s.ReadExpiring(r))
	}
	return nil, fmt.Errorf("shard %d: %T is not a read of a shard's store", s.id, read)
}

func event[E any](e E, err error) (core.Event, error) {
	if err != nil {
		return nil, err
	}
	return e, nil
}

// read runs f with a cursor, or not at all if the store has no database. An error of f is one of the storage.
func (s *Store) read(what string, f func(c cursor) error) (err error) {
	if err := s.watch.err(); err != nil {
		return err
	}
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return fmt.Errorf("%s of shard %d: %w", what, s.id, ErrClosed)
	}
	db := s.db.Load()
	if db == nil {
		return nil
	}
	defer s.watch.recovered(what, &err)
	c, err := db.cursor()
	if err != nil {
		return s.watch.fail(what, err)
	}
	defer db.release(c)
	if err := f(c); err != nil {
		return s.watch.fail(what, err)
	}
	if err := c.Err(); err != nil {
		return s.watch.fail(what, err)
	}
	return nil
}

// value copies the cursor's value. An empty one is not nil.
func value(c cursor) ([]byte, error) {
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(v)), v...), nil
}

// under reports whether the cursor stands on a key that begins with prefix.
func under(c cursor, ok bool, prefix []byte) bool {
	return ok && bytes.HasPrefix(c.Key(), prefix)
}
