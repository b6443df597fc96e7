package core

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// memoryStore is a shard's store in memory, with the rules of runtime/shard: the rows of one committed checkpoint.
type memoryStore struct{ rows map[string][]byte }

func newMemoryStore() *memoryStore { return &memoryStore{rows: map[string][]byte{}} }

// write takes the rows of an overlay.
func (s *memoryStore) write(o *Overlay) {
	for r := range o.Rows() {
		if r.Delete {
			delete(s.rows, string(r.Key))
		} else {
			s.rows[string(r.Key)] = bytes.Clone(r.Value)
		}
	}
}

// scan calls f for the rows with a prefix, in key order, from the first key that is at least from, until f says no.
func (s *memoryStore) scan(prefix, from []byte, f func(key, value []byte) bool) {
	for _, k := range slices.Sorted(maps.Keys(s.rows)) {
		if !strings.HasPrefix(k, string(prefix)) || k < string(from) {
			continue
		}
		if !f([]byte(k), s.rows[k]) {
			return
		}
	}
}

// restored is what a restore tells of the store.
func (s *memoryStore) restored(id ShardID, egresses []Egress) ShardRestored {
	ev := ShardRestored{Shard: id, Empty: len(s.rows) == 0, Specs: map[FunctionType]Specs{}}
	s.scan([]byte{TableSpecs}, nil, func(k, v []byte) bool {
		ev.Specs[FunctionType(k[1:])] = must(ParseSpecs(v))
		return true
	})
	for i, e := range egresses {
		s.scan(OutboxPrefix(e.Name), nil, func(_, _ []byte) bool {
			ev.Egresses = append(ev.Egresses, EgressID(i))
			return false
		})
	}
	s.scan([]byte{TableFailure}, nil, func(k, v []byte) bool {
		ev.Letters++
		ev.LetterBytes += int64(len(k) + len(v))
		return true
	})
	return ev
}

// answer is the event that answers a read, nil if e is none.
func (s *memoryStore) answer(e Effect) Event {
	switch e := e.(type) {
	case LoadAddress:
		return s.loadAddress(e)
	case LoadMailbox:
		ev := MailboxLoaded{Shard: e.Shard, Address: e.Address}
		ev.Messages, ev.More, _ = s.mailbox(e.Address, e.From, e.Through, e.Count, e.Bytes)
		return ev
	case FindDedupe:
		v, ok := s.rows[string(DedupeKey(e.Message.Target, e.Message.Dedupe))]
		ev := DedupeFound{Shard: e.Shard, Message: e.Message, Found: ok}
		if ok {
			ev.Until = must(ParseMillis(v))
		}
		return ev
	case FindTokens:
		return s.findTokens(e)
	case ReadTimers:
		return s.readTimers(e)
	case ReadOutbox:
		return s.readOutbox(e)
	case ReadBacklog:
		return s.readBacklog(e)
	case ReadExpiring:
		return s.readExpiring(e)
	case ReadFailures:
		return s.readFailures(e)
	case LoadFailures:
		return s.loadFailures(e)
	}
	return nil
}

func (s *memoryStore) loadAddress(e LoadAddress) AddressLoaded {
	ev := AddressLoaded{Shard: e.Shard, Address: e.Address}
	prefix := AddressPrefix(TableAddress, e.Address)
	states := map[string]*StoredState{}
	var names []string
	state := func(name []byte) *StoredState {
		if states[string(name)] == nil {
			states[string(name)] = &StoredState{Name: string(name)}
			names = append(names, string(name))
		}
		return states[string(name)]
	}
	s.scan(prefix, nil, func(k, v []byte) bool {
		sub, name := k[len(prefix)], k[len(prefix)+1:]
		switch sub {
		case SubHeld:
			ev.Held = v
		case SubState:
			state(name).Value = v
		case SubAccess:
			st := state(name)
			st.Access, st.HasAccess = must(ParseMillis(v)), true
		}
		return true
	})
	for _, n := range names {
		ev.States = append(ev.States, *states[n])
	}
	ev.Messages, ev.More, ev.LastSeq = s.mailbox(e.Address, 0, ^Seq(0), e.MailboxCount, e.MailboxBytes)
	return ev
}

func (s *memoryStore) mailbox(a Address, from, through Seq, count int, limit int64) (mail []StoredMessage, more bool, last Seq) {
	prefix := AddressPrefix(TableMailbox, a)
	size := int64(0)
	s.scan(prefix, MailboxKey(a, from), func(k, v []byte) bool {
		seq := must(CutSeq(k[len(prefix):]))
		if seq > through {
			return false
		}
		last = seq
		if len(mail) > 0 && (len(mail) >= count || size+int64(len(v)) > limit) {
			more = true
			return true
		}
		size += int64(len(v))
		mail = append(mail, must(ParseStoredMessage(seq, v)))
		return true
	})
	return mail, more, last
}

func (s *memoryStore) findTokens(e FindTokens) TokensFound {
	ev := TokensFound{Shard: e.Shard, Sender: e.Sender, Timers: map[string]TimerKey{}}
	for _, t := range e.Tokens {
		if v, ok := s.rows[string(TokenKey(e.Sender, t))]; ok {
			ev.Timers[t] = must(ParseTimerKey(v))
		}
	}
	return ev
}

func (s *memoryStore) readTimers(e ReadTimers) TimersRead {
	ev := TimersRead{Shard: e.Shard, After: e.After}
	s.scan([]byte{TableTimer}, nil, func(k, v []byte) bool {
		row := must(ParseTimerRow(k, v))
		if !e.After.Less(row.Key) {
			return true
		}
		if len(ev.Timers) == e.Limit {
			ev.More = true
			return false
		}
		ev.Timers = append(ev.Timers, row)
		return true
	})
	return ev
}

func (s *memoryStore) readOutbox(e ReadOutbox) OutboxRead {
	ev := OutboxRead{Shard: e.Shard, Egress: e.Egress}
	s.scan(OutboxPrefix(e.Name), nil, func(k, v []byte) bool {
		row := must(ParseOutboxRow(k, v))
		if !e.After.Less(row.Key) {
			return true
		}
		if len(ev.Records) == e.Limit {
			ev.More = true
			return false
		}
		ev.Records = append(ev.Records, row)
		return true
	})
	return ev
}

func (s *memoryStore) readBacklog(e ReadBacklog) BacklogRead {
	ev := BacklogRead{Shard: e.Shard}
	var last Address
	s.scan([]byte{TableMailbox}, e.After, func(k, _ []byte) bool {
		a, _, err := CutAddressKey(k)
		if err != nil {
			panic(err)
		}
		if a == last {
			return true
		}
		if len(ev.Addresses) == e.Limit {
			ev.Next = bytes.Clone(k)
			return false
		}
		last = a
		ev.Addresses = append(ev.Addresses, a)
		return true
	})
	return ev
}

func (s *memoryStore) readFailures(e ReadFailures) FailuresRead {
	ev := FailuresRead{Shard: e.Shard}
	s.scan([]byte{TableFailure}, nil, func(k, v []byte) bool {
		if ev.More = len(ev.Rows) == e.Limit; ev.More {
			return false
		}
		until, rest, _ := cutUint64(k[1:])
		ev.Rows = append(ev.Rows, StoredFailure{Until: Millis(until), Seq: must(CutSeq(rest)), Size: int64(len(k) + len(v))})
		return true
	})
	return ev
}

func (s *memoryStore) loadFailures(e LoadFailures) FailuresLoaded {
	ev := FailuresLoaded{Shard: e.Shard, Request: e.Request}
	size := int64(0)
	for _, k := range e.Keys {
		key := (&failureRow{at: k.Until, seq: k.Seq}).appendRow(&rowBuffer{}).Key
		v, found := s.rows[string(key)]
		l := LoadedLetter{Key: k}
		if found {
			l.Size = int64(len(key) + len(v))
			var err error
			if l.Letter, err = ParseDeadLetter(v); err != nil {
				l.Problem = err.Error()
			}
		}
		if size += l.Size; size > e.Bytes && len(ev.Letters) > 0 {
			break
		}
		ev.Letters = append(ev.Letters, l)
	}
	return ev
}

func (s *memoryStore) readExpiring(e ReadExpiring) ExpiringRead {
	ev := ExpiringRead{Shard: e.Shard}
	looked := 0
	s.scan(nil, e.After, func(k, v []byte) bool {
		if k[0] != TableAddress && k[0] != TableDedupe {
			return true
		}
		if looked == e.Limit {
			ev.Next = bytes.Clone(k)
			return false
		}
		looked++
		a, rest, err := CutAddressKey(k)
		switch {
		case err != nil:
			panic(err)
		case k[0] == TableDedupe:
			ev.Dedupes = append(ev.Dedupes, StoredDedupe{Address: a, ID: string(rest), Until: must(ParseMillis(v))})
		case rest[0] == SubAccess:
			ev.Accesses = append(ev.Accesses, StoredAccess{Address: a, Name: string(rest[1:]), Access: must(ParseMillis(v))})
		}
		return true
	})
	return ev
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
