package shard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stateway/stateway/runtime/core"
)

// LoadAddress reads an Address: its states by name, its held row and the head of its mailbox.
func (s *Store) LoadAddress(r core.LoadAddress) (core.AddressLoaded, error) {
	a := core.AddressLoaded{Shard: r.Shard, Address: r.Address}
	err := s.read("load an Address", func(c cursor) error {
		prefix := core.AddressPrefix(core.TableAddress, r.Address)
		if err := loadRows(c, prefix, &a); err != nil {
			return err
		}
		prefix[0] = core.TableMailbox
		m := mailbox{prefix: prefix, through: math.MaxUint64, count: r.MailboxCount, bytes: r.MailboxBytes}
		if err := m.read(c); err != nil {
			return err
		}
		a.Messages, a.More = m.messages, m.more
		return lastSeq(c, prefix, &a)
	})
	return a, err
}

// loadRows reads the rows below core.SubToken. States come sorted, and then, sorted too, their access rows.
func loadRows(c cursor, prefix []byte, a *core.AddressLoaded) error {
	at := 0 // states before it are not those of the next access row
	for ok := c.SeekPrefix(prefix); under(c, ok, prefix); ok = c.Next() {
		rest := c.Key()[len(prefix):]
		if len(rest) == 0 {
			return keyError(c.Key())
		}
		sub := rest[0]
		if sub >= core.SubToken {
			return nil
		}
		name := string(rest[1:])
		var err error
		switch sub {
		case core.SubHeld:
			a.Held, err = value(c)
		case core.SubState:
			var v []byte
			v, err = value(c)
			a.States = append(a.States, core.StoredState{Name: name, Value: v})
		case core.SubAccess:
			at, err = addAccess(c, a, at, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func addAccess(c cursor, a *core.AddressLoaded, at int, name string) (int, error) {
	v, err := c.Value()
	if err != nil {
		return at, err
	}
	access, err := core.ParseMillis(v)
	if err != nil {
		return at, err
	}
	for at < len(a.States) && a.States[at].Name < name {
		at++
	}
	if at == len(a.States) || a.States[at].Name != name {
		a.States = slices.Insert(a.States, at, core.StoredState{Name: name})
	}
	a.States[at].Access, a.States[at].HasAccess = access, true
	return at + 1, nil
}

func keyError(key []byte) error {
	return fmt.Errorf("%w: key %q", core.ErrRow(), key[:min(len(key), 48)])
}

// lastSeq fills in LastSeq: that of the last message read, unless there are more.
func lastSeq(c cursor, prefix []byte, a *core.AddressLoaded) error {
	if !a.More {
		if n := len(a.Messages); n > 0 {
			a.LastSeq = a.Messages[n-1].Seq
		}
		return nil
	}
	if !under(c, c.SeekLT(appendPrefixEnd(nil, prefix)), prefix) {
		return c.Err()
	}
	var err error
	a.LastSeq, err = core.CutSeq(c.Key()[len(prefix):])
	return err
}

// mailbox reads waiting messages from a sequence number through another, up to a count and to bytes of their rows'
// values. One is read however large it is.
type mailbox struct {
	prefix        []byte
	from, through core.Seq
	count         int
	bytes         int64

	messages []core.StoredMessage
	more     bool
}

func (m *mailbox) read(c cursor) error {
	key := binary.BigEndian.AppendUint64(slices.Clip(m.prefix), uint64(m.from))
	for ok := c.SeekPrefix(key); under(c, ok, m.prefix); ok = c.Next() {
		seq, err := core.CutSeq(c.Key()[len(m.prefix):])
		if err != nil {
			return err
		}
		if seq > m.through {
			return nil
		}
		if m.full() {
			m.more = true
			return nil
		}
		v, err := c.Value()
		if err != nil {
			return err
		}
		if m.bytes -= int64(len(v)); m.bytes < 0 && len(m.messages) > 0 {
			m.more = true
			return nil
		}
		msg, err := core.ParseStoredMessage(seq, bytes.Clone(v))
		if err != nil {
			return err
		}
		m.messages = append(m.messages, msg)
	}
	return nil
}

func (m *mailbox) full() bool { return len(m.messages) > 0 && len(m.messages) >= m.count }

// LoadMailbox reads waiting messages. More tells that there are further ones up to Through.
func (s *Store) LoadMailbox(r core.LoadMailbox) (core.MailboxLoaded, error) {
	a := core.MailboxLoaded{Shard: r.Shard, Address: r.Address}
	err := s.read("load a mailbox", func(c cursor) error {
		prefix := core.AddressPrefix(core.TableMailbox, r.Address)
		m := mailbox{prefix: prefix, from: r.From, through: r.Through, count: r.Count, bytes: r.Bytes}
		err := m.read(c)
		a.Messages, a.More = m.messages, m.more
		return err
	})
	return a, err
}

// FindDedupe looks for a dedupe id.
func (s *Store) FindDedupe(r core.FindDedupe) (core.DedupeFound, error) {
	a := core.DedupeFound{Shard: r.Shard, Message: r.Message}
	err := s.read("look for a dedupe id", func(c cursor) error {
		v, found, err := get(c, core.DedupeKey(r.Message.Target, r.Message.Dedupe))
		if err != nil || !found {
			return err
		}
		a.Found = true
		a.Until, err = core.ParseMillis(v)
		return err
	})
	return a, err
}

// FindTokens looks for a sender's cancellation tokens.
func (s *Store) FindTokens(r core.FindTokens) (core.TokensFound, error) {
	a := core.TokensFound{Shard: r.Shard, Sender: r.Sender, Timers: make(map[string]core.TimerKey)}
	err := s.read("look for cancellation tokens", func(c cursor) error {
		tokens := slices.Clone(r.Tokens)
		slices.SortFunc(tokens, strings.Compare)
		for _, t := range slices.Compact(tokens) {
			v, found, err := get(c, core.TokenKey(r.Sender, t))
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			if a.Timers[t], err = core.ParseTimerKey(v); err != nil {
				return err
			}
		}
		return nil
	})
	return a, err
}

// get reads the value of one key; it is valid until the cursor moves.
func get(c cursor, key []byte) (v []byte, found bool, err error) {
	if !c.SeekPrefix(key) || !bytes.Equal(c.Key(), key) {
		return nil, false, c.Err()
	}
	v, err = c.Value()
	return v, err == nil, err
}
