package shard

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

// typeSet is the function types of which rows were written since the store was created. To find them by reading would
// take a look at every Address, because keys are ordered by hash.
type typeSet struct {
	mu    sync.RWMutex
	known map[string]struct{} // guarded by mu
}

func newTypeSet(types []string) *typeSet {
	s := &typeSet{known: make(map[string]struct{}, len(types))}
	s.add(types)
	return s
}

func (s *typeSet) has(typ []byte) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.known[string(typ)]
	return ok
}

func (s *typeSet) add(types []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range types {
		s.known[t] = struct{}{}
	}
}

func (s *typeSet) sorted() []core.FunctionType {
	s.mu.RLock()
	defer s.mu.RUnlock()
	types := make([]core.FunctionType, 0, len(s.known))
	for t := range s.known {
		types = append(types, core.FunctionType(t))
	}
	slices.Sort(types)
	return types
}

// readTypes reads the types that the store wrote down.
func readTypes(c cursor) ([]string, error) {
	var types []string
	for ok := c.SeekGE(typePrefix); ok && bytes.HasPrefix(c.Key(), typePrefix); ok = c.Next() {
		types = append(types, string(c.Key()[len(typePrefix):]))
	}
	return types, c.Err()
}

// typeOf is the function type to which a row belongs: of its Address, or of a timer's target. Nil if it has none.
func typeOf(key, value []byte) []byte {
	switch {
	case len(key) > hashed && carriesAddress(key[0]):
		return textAt(key, hashed)
	case key[0] == core.TableTimer:
		return timerTarget(value)
	}
	return nil
}

// textAt is the length-prefixed text at offset at, nil if there is none.
func textAt(b []byte, at int) []byte {
	end, ok := skipText(b, at)
	if !ok {
		return nil
	}
	_, w := binary.Uvarint(b[at:])
	return b[at+w : end]
}

// timerTarget finds the target's type behind the sender's type and id.
func timerTarget(value []byte) []byte {
	at := 0
	for range 2 {
		next, ok := skipText(value, at)
		if !ok {
			return nil
		}
		at = next
	}
	return textAt(value, at)
}
