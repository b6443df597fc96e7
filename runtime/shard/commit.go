package shard

import (
	"errors"

	"github.com/stateway/stateway/runtime/core"
)

var errRowKey = errors.New("a row without a key, or with a key that begins with a byte 0 or 255, which no table has")

// commitWriter puts one commit's rows into a batch. The database is made when the first row needs it.
type commitWriter struct {
	store *Store
	db    *database
	batch batch
	types []string // seen for the first time in this commit
}

func (w *commitWriter) add(row core.Row) error {
	if len(row.Key) == 0 || row.Key[0] == 0 || row.Key[0] == 0xff {
		return errRowKey
	}
	if w.batch == nil {
		if row.Delete && w.store.Empty() {
			return nil // nothing to delete in
		}
		if err := w.begin(); err != nil {
			return err
		}
	}
	if row.Delete {
		return w.failed(w.batch.remove(row.Key))
	}
	if err := w.batch.set(row.Key, row.Value); err != nil {
		return w.failed(err)
	}
	return w.note(row)
}

// begin opens the batch, and makes the database if there is none yet.
func (w *commitWriter) begin() error {
	s := w.store
	if w.db = s.db.Load(); w.db == nil {
		if err := s.set.disk.remove(s.id); err != nil {
			return s.watch.fail("clear the place for a new database", err)
		}
		e, err := s.set.disk.create(s.id, s.watch)
		if err != nil {
			return s.watch.fail("create the database", err)
		}
		w.db = &database{e}
		s.db.Store(w.db)
	}
	w.batch = w.db.batch()
	return nil
}

// note writes down a row's function type if it is new.
func (w *commitWriter) note(row core.Row) error {
	typ := typeOf(row.Key, row.Value)
	if len(typ) == 0 || w.store.types.has(typ) {
		return nil
	}
	for _, t := range w.types {
		if t == string(typ) {
			return nil
		}
	}
	w.types = append(w.types, string(typ))
	return w.failed(w.batch.set(append(typePrefix[:2:2], typ...), []byte{1}))
}

// failed tells a batch that is too large from a failure of the storage.
func (w *commitWriter) failed(err error) error {
	if err == nil || errors.Is(err, errBatchTooLarge) {
		return err
	}
	return w.store.watch.fail("write a batch", err)
}

func (w *commitWriter) finish(meta Meta) error {
	s := w.store
	if w.batch == nil {
		if s.Empty() {
			return nil
		}
		if err := w.begin(); err != nil {
			return err
		}
	}
	if err := w.batch.set(metaKey, appendMeta(nil, meta)); err != nil {
		return w.failed(err)
	}
	b := w.batch
	w.batch = nil
	if err := b.commit(); err != nil {
		return s.watch.fail("commit a batch", err)
	}
	s.types.add(w.types)
	return s.watch.err()
}

// discard drops the batch if finish did not take it.
func (w *commitWriter) discard() {
	if w.batch != nil {
		w.batch.discard()
	}
}
