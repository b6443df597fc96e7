package shard

import (
	"bytes"

	"github.com/stateway/stateway/runtime/core"
)

// ReadTimers reads the timers behind a key.
func (s *Store) ReadTimers(r core.ReadTimers) (core.TimersRead, error) {
	a := core.TimersRead{Shard: r.Shard, After: r.After}
	err := s.read("read timers", func(c cursor) error {
		from := append(r.After.Append(nil), 0)
		for ok := c.SeekGE(from); under(c, ok, []byte{core.TableTimer}); ok = c.Next() {
			if len(a.Timers) >= max(r.Limit, 1) {
				a.More = true
				return nil
			}
			v, err := value(c)
			if err != nil {
				return err
			}
			row, err := core.ParseTimerRow(c.Key(), v)
			if err != nil {
				return err
			}
			a.Timers = append(a.Timers, row)
		}
		return nil
	})
	return a, err
}

// ReadOutbox reads an egress's records behind a key, up to a count and to bytes of arguments; at least one.
func (s *Store) ReadOutbox(r core.ReadOutbox) (core.OutboxRead, error) {
	a := core.OutboxRead{Shard: r.Shard, Egress: r.Egress}
	err := s.read("read an outbox", func(c cursor) error {
		prefix, left := core.OutboxPrefix(r.Name), r.Bytes
		from := append(r.After.Append(nil, r.Name), 0)
		for ok := c.SeekGE(from); under(c, ok, prefix); ok = c.Next() {
			if len(a.Records) >= max(r.Limit, 1) {
				a.More = true
				return nil
			}
			v, err := c.Value()
			if err != nil {
				return err
			}
			if left -= int64(len(v)); left < 0 && len(a.Records) > 0 {
				a.More = true
				return nil
			}
			row, err := core.ParseOutboxRow(c.Key(), bytes.Clone(v))
			if err != nil {
				return err
			}
			a.Records = append(a.Records, row)
		}
		return nil
	})
	return a, err
}

// ReadBacklog reads which Addresses have waiting messages, stepping over each one's rows.
func (s *Store) ReadBacklog(r core.ReadBacklog) (core.BacklogRead, error) {
	a := core.BacklogRead{Shard: r.Shard}
	err := s.read("read the backlog", func(c cursor) error {
		table := []byte{core.TableMailbox}
		from := r.After
		if from == nil {
			from = table
		}
		var next []byte
		for ok := c.SeekGE(from); under(c, ok, table); ok = c.SeekGE(next) {
			if len(a.Addresses) >= max(r.Limit, 1) {
				a.Next = bytes.Clone(c.Key())
				return nil
			}
			addr, rest, err := core.CutAddressKey(c.Key())
			if err != nil {
				return err
			}
			a.Addresses = append(a.Addresses, addr)
			key := c.Key()
			next = appendPrefixEnd(next[:0], key[:len(key)-len(rest)])
		}
		return nil
	})
	return a, err
}

// ReadExpiring reads access rows and dedupe ids, stepping over other rows. Each row on which it stands counts as one
// looked at, of an Address without access rows one or two.
func (s *Store) ReadExpiring(r core.ReadExpiring) (core.ExpiringRead, error) {
	a := core.ExpiringRead{Shard: r.Shard}
	err := s.read("read what may expire", func(c cursor) error {
		w := sweep{cursor: c, answer: &a}
		from := r.After
		if from == nil {
			from = []byte{core.TableAddress}
		}
		ok := c.SeekGE(from)
		for looked := 0; ok && c.Key()[0] <= core.TableDedupe; looked++ {
			if looked >= max(r.Limit, 1) {
				a.Next = bytes.Clone(c.Key())
				return nil
			}
			var err error
			if ok, err = w.step(); err != nil {
				return err
			}
		}
		return nil
	})
	return a, err
}

// sweep walks the tables of Addresses and of dedupe ids.
type sweep struct {
	cursor cursor
	answer *core.ExpiringRead
	seek   []byte
}

// step looks at the cursor's row and moves to the next one of interest.
func (w *sweep) step() (ok bool, err error) {
	key := w.cursor.Key()
	switch key[0] {
	case core.TableAddress:
		return w.address(key)
	case core.TableDedupe:
		if err := w.dedupe(key); err != nil {
			return false, err
		}
		return w.cursor.Next(), nil
	}
	if key[0] < core.TableAddress {
		return w.cursor.SeekGE([]byte{core.TableAddress}), nil
	}
	return w.cursor.SeekGE([]byte{core.TableDedupe}), nil
}

func (w *sweep) address(key []byte) (ok bool, err error) {
	n := prefixLen(key)
	if n == len(key) {
		return false, keyError(key)
	}
	switch sub := key[n]; {
	case sub < core.SubAccess:
		w.seek = append(append(w.seek[:0], key[:n]...), core.SubAccess)
		return w.cursor.SeekGE(w.seek), nil
	case sub > core.SubAccess:
		w.seek = appendPrefixEnd(w.seek[:0], key[:n])
		return w.cursor.SeekGE(w.seek), nil
	}
	if err := w.access(key, n); err != nil {
		return false, err
	}
	return w.cursor.Next(), nil
}

func (w *sweep) access(key []byte, n int) error {
	addr, _, err := core.CutAddressKey(key)
	if err != nil {
		return err
	}
	at, err := w.time()
	if err != nil {
		return err
	}
	w.answer.Accesses = append(w.answer.Accesses, core.StoredAccess{Address: addr, Name: string(key[n+1:]), Access: at})
	return nil
}

func (w *sweep) dedupe(key []byte) error {
	addr, rest, err := core.CutAddressKey(key)
	if err != nil {
		return err
	}
	until, err := w.time()
	if err != nil {
		return err
	}
	w.answer.Dedupes = append(w.answer.Dedupes, core.StoredDedupe{Address: addr, ID: string(rest), Until: until})
	return nil
}

func (w *sweep) time() (core.Millis, error) {
	v, err := w.cursor.Value()
	if err != nil {
		return 0, err
	}
	return core.ParseMillis(v)
}
