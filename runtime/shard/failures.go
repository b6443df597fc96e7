package shard

import (
	"encoding/binary"
	"math"

	"github.com/stateway/stateway/runtime/core"
)

// FailureKey orders the dead letters that are kept: by time, then as they came.
type FailureKey struct {
	Time core.Millis
	Seq  core.Seq
}

// Append appends the row key.
func (k FailureKey) Append(b []byte) []byte {
	b = append(b, core.TableFailure)
	b = binary.BigEndian.AppendUint64(b, uint64(max(k.Time, 0))) //nolint:gosec // not negative
	return binary.BigEndian.AppendUint64(b, uint64(k.Seq))
}

// StoredFailure is a dead letter as its row holds it.
type StoredFailure struct {
	Key   FailureKey
	Value []byte
}

// Failures reads dead letters behind after, up to limit. More tells that there are further ones.
func (s *Store) Failures(after FailureKey, limit int) (failures []StoredFailure, more bool, err error) {
	return s.FailuresWithin(after, limit, math.MaxInt64)
}

// FailuresWithin is Failures for at most size bytes of rows, or one row if that is larger.
func (s *Store) FailuresWithin(after FailureKey, limit int, size int64) (failures []StoredFailure, more bool, err error) {
	table := []byte{core.TableFailure}
	err = s.read("read dead letters", func(c cursor) error {
		for ok := c.SeekGE(append(after.Append(nil), 0)); under(c, ok, table); ok = c.Next() {
			if more = len(failures) >= max(limit, 1) || size <= 0; more {
				return nil
			}
			key := c.Key()
			if len(key) != failureKeyLen {
				return keyError(key)
			}
			v, err := value(c)
			if err != nil {
				return err
			}
			k := FailureKey{
				Time: core.Millis(binary.BigEndian.Uint64(key[1:])), //nolint:gosec // as Append wrote it
				Seq:  core.Seq(binary.BigEndian.Uint64(key[9:])),
			}
			size -= int64(failureKeyLen + len(v))
			failures = append(failures, StoredFailure{Key: k, Value: v})
		}
		return nil
	})
	return failures, more, err
}

// LoadFailures reads dead letters by their keys.
func (s *Store) LoadFailures(r core.LoadFailures) (core.FailuresLoaded, error) {
	ev := core.FailuresLoaded{Shard: s.id, Request: r.Request}
	for left := r.Bytes; len(ev.Letters) < len(r.Keys); {
		l, err := s.Failure(r.Keys[len(ev.Letters)])
		if err != nil {
			return ev, err
		}
		if left -= l.Size; left < 0 && len(ev.Letters) > 0 {
			break
		}
		ev.Letters = append(ev.Letters, l)
	}
	return ev, nil
}

// Failure reads one dead letter. Its Size is zero if there is none; a row that does not tell its message is a Problem of the letter, no error.
func (s *Store) Failure(k core.DeadLetterKey) (core.LoadedLetter, error) {
	l := core.LoadedLetter{Key: k}
	err := s.read("read a dead letter", func(c cursor) error {
		v, found, err := get(c, FailureKey{Time: k.Until, Seq: k.Seq}.Append(nil))
		if err != nil || !found {
			return err
		}
		l.Size = int64(failureKeyLen + len(v))
		var problem error
		if l.Letter, problem = core.ParseDeadLetter(v); problem != nil {
			l.Problem = problem.Error()
		}
		return nil
	})
	return l, err
}

// ReadFailures reads the rows of the first dead letters, without the letters.
func (s *Store) ReadFailures(r core.ReadFailures) (core.FailuresRead, error) {
	stored, more, err := s.FailuresWithin(FailureKey{}, r.Limit, failuresRead)
	ev := core.FailuresRead{Shard: s.id, More: more}
	for _, f := range stored {
		ev.Rows = append(ev.Rows, core.StoredFailure{Until: f.Key.Time, Seq: f.Key.Seq, Size: int64(failureKeyLen + len(f.Value))})
	}
	return ev, err
}

// failureKeyLen is the length of a dead letter's key.
const failureKeyLen = 17

// failuresRead bounds the rows of dead letters that are in memory for being counted or swept, in bytes.
const failuresRead = 4 << 20

// CountFailures counts the dead letters and the bytes of their rows.
func (s *Store) CountFailures() (rows int, size int64, err error) {
	const page = 1024
	for after, more := (FailureKey{}), true; more; {
		var failures []StoredFailure
		if failures, more, err = s.FailuresWithin(after, page, failuresRead); err != nil {
			return 0, 0, err
		}
		for _, f := range failures {
			rows++
			size += int64(failureKeyLen + len(f.Value))
			after = f.Key
		}
	}
	return rows, size, nil
}
