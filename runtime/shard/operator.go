package shard

import (
	"bytes"

	"github.com/stateway/stateway/runtime/core"
)

// Specs reads what was learned of the states of function types.
func (s *Store) Specs() (map[core.FunctionType]core.Specs, error) {
	all := make(map[core.FunctionType]core.Specs)
	table := []byte{core.TableSpecs}
	err := s.read("read state specs", func(c cursor) error {
		for ok := c.SeekGE(table); under(c, ok, table); ok = c.Next() {
			v, err := c.Value()
			if err != nil {
				return err
			}
			specs, err := core.ParseSpecs(v)
			if err != nil {
				return err
			}
			all[core.FunctionType(c.Key()[1:])] = specs
		}
		return nil
	})
	return all, err
}

// OutboxEgresses are the names, sorted, of the egresses with outbox rows.
func (s *Store) OutboxEgresses() ([]string, error) {
	var names []string
	table := []byte{core.TableOutbox}
	err := s.read("read the outbox's egresses", func(c cursor) error {
		var next []byte
		for ok := c.SeekGE(table); under(c, ok, table); ok = c.SeekGE(next) {
			name, _, err := core.ParseOutboxKey(c.Key())
			if err != nil {
				return err
			}
			names = append(names, name)
			next = appendPrefixEnd(next[:0], core.OutboxPrefix(name))
		}
		return nil
	})
	return names, err
}

// FunctionTypes are the types of which the store may hold rows: of their Addresses, or timers for them. It reads
// nothing, and names a type even after its last row is gone; HasFunctionType tells.
func (s *Store) FunctionTypes() []core.FunctionType { return s.types.sorted() }

// HasFunctionType looks for a row of a function type, from after on (nil, or a next it returned), at up to limit
// Addresses and timers. If it found none, next is where to go on; nil at the end.
func (s *Store) HasFunctionType(t core.FunctionType, after []byte, limit int) (found bool, next []byte, err error) {
	if !s.types.has([]byte(t)) {
		return false, nil, nil
	}
	err = s.read("look for a function type", func(c cursor) error {
		var seek []byte
		ok := c.SeekGE(after)
		for looked := 0; ok; looked++ {
			key := c.Key()
			if looked >= max(limit, 1) {
				next = bytes.Clone(key)
				return nil
			}
			v, err := timerValue(c)
			if err != nil {
				return err
			}
			if found = string(typeOf(key, v)) == string(t); found {
				return nil
			}
			seek = seekType(seek[:0], key)
			ok = c.SeekGE(seek)
		}
		return nil
	})
	return found, next, err
}

// timerValue is the value of a timer's row; of other rows it is not needed.
func timerValue(c cursor) ([]byte, error) {
	if c.Key()[0] != core.TableTimer {
		return nil, nil
	}
	return c.Value()
}

// seekType appends where the next row of another Address or timer may be, behind key.
func seekType(b, key []byte) []byte {
	switch {
	case carriesAddress(key[0]):
		return appendPrefixEnd(b, key[:prefixLen(key)])
	case key[0] == core.TableTimer:
		return append(append(b, key...), 0)
	}
	return append(b, key[0]+1) // no row has 255
}

// HeldAddress is an Address that an operator has to move on, with the value of its held row.
type HeldAddress struct {
	Address core.Address
	Value   []byte // core.ParseFailure reads it
}

// Held reads held Addresses from after on (nil, or a next that it returned), looking at up to limit Addresses. Next is
// nil at the end.
func (s *Store) Held(after []byte, limit int) (held []HeldAddress, next []byte, err error) {
	table := []byte{core.TableAddress}
	if after == nil {
		after = table
	}
	err = s.read("look for held Addresses", func(c cursor) error {
		var seek []byte
		looked := 0
		for ok := c.SeekGE(after); under(c, ok, table); ok = c.SeekGE(seek) {
			key := c.Key()
			if looked++; looked > max(limit, 1) {
				next = bytes.Clone(key)
				return nil
			}
			n := prefixLen(key)
			if n == len(key) {
				return keyError(key)
			}
			if key[n] == core.SubHeld {
				h, err := heldAddress(c)
				if err != nil {
					return err
				}
				held = append(held, h)
			}
			seek = appendPrefixEnd(seek[:0], c.Key()[:n])
		}
		return nil
	})
	return held, next, err
}

func heldAddress(c cursor) (HeldAddress, error) {
	a, _, err := core.CutAddressKey(c.Key())
	if err != nil {
		return HeldAddress{}, err
	}
	v, err := value(c)
	return HeldAddress{Address: a, Value: v}, err
}

// State reads one state of an Address. Value is nil if it has none.
func (s *Store) State(a core.Address, name string) (core.Value, error) {
	var v core.Value
	err := s.read("read a state", func(c cursor) error {
		got, found, err := get(c, core.StateKey(a, name))
		if found {
			v = append(core.Value{}, got...)
		}
		return err
	})
	return v, err
}

// States reads all states of an Address, sorted by name.
func (s *Store) States(a core.Address) ([]core.StoredState, error) {
	var loaded core.AddressLoaded
	err := s.read("read the states of an Address", func(c cursor) error {
		return loadRows(c, core.AddressPrefix(core.TableAddress, a), &loaded)
	})
	return loaded.States, err
}

// Rows reads rows in the order of their keys from after on (nil, or a next that it returned), up to limit and to bytes of
// keys and values; at least one. Next is nil at the end. It is for tools and checks.
func (s *Store) Rows(after []byte, limit int, size int64) (rows []core.Row, next []byte, err error) {
	if after == nil {
		after = []byte{1} // behind the store's own
	}
	err = s.read("read rows", func(c cursor) error {
		for ok := c.SeekGE(after); ok; ok = c.Next() {
			key := bytes.Clone(c.Key())
			if size <= 0 && len(rows) > 0 || len(rows) >= max(limit, 1) {
				next = key
				return nil
			}
			v, err := value(c)
			if err != nil {
				return err
			}
			size -= int64(len(key) + len(v))
			rows = append(rows, core.Row{Key: key, Value: v})
		}
		return nil
	})
	return rows, next, err
}
