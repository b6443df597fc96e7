package shardtest

import (
	"bytes"
	"math"
	"slices"
	"strings"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

func (m Model) loadAddress(r core.LoadAddress) core.AddressLoaded {
	a := core.AddressLoaded{Address: r.Address}
	prefix := core.AddressPrefix(core.TableAddress, r.Address)
	states := make(map[string]*core.StoredState)
	at := func(name string) *core.StoredState {
		if states[name] == nil {
			states[name] = &core.StoredState{Name: name}
		}
		return states[name]
	}
	for _, row := range m.under(prefix) {
		name := string(row.Key[len(prefix)+1:])
		switch row.Key[len(prefix)] {
		case core.SubHeld:
			a.Held = row.Value
		case core.SubState:
			at(name).Value = append(core.Value{}, row.Value...)
		case core.SubAccess:
			at(name).Access, _ = core.ParseMillis(row.Value)
			at(name).HasAccess = true
		}
	}
	for _, s := range states {
		a.States = append(a.States, *s)
	}
	slices.SortFunc(a.States, func(x, y core.StoredState) int { return strings.Compare(x.Name, y.Name) })
	all := m.mailbox(r.Address, 0, math.MaxUint64)
	a.Messages, a.More = head(all, r.MailboxCount, r.MailboxBytes)
	if len(all) > 0 {
		a.LastSeq = all[len(all)-1].Seq
	}
	return a
}

func (m Model) mailbox(a core.Address, from, through core.Seq) (all []core.StoredMessage) {
	prefix := core.AddressPrefix(core.TableMailbox, a)
	for _, row := range m.under(prefix) {
		seq, _ := core.CutSeq(row.Key[len(prefix):])
		if seq < from || seq > through {
			continue
		}
		msg, err := core.ParseStoredMessage(seq, row.Value)
		if err != nil {
			panic(err)
		}
		all = append(all, msg)
	}
	return all
}

// head keeps what the bounds of a read let through.
func head(all []core.StoredMessage, count int, size int64) (kept []core.StoredMessage, more bool) {
	for i, msg := range all {
		size -= int64(len(messageValue(msg.Caller, msg.Trace, string(msg.Arg))))
		if i > 0 && (i >= count || size < 0) {
			return all[:i], true
		}
	}
	return all, false
}

func (m Model) timers(r core.ReadTimers) core.TimersRead {
	a := core.TimersRead{After: r.After}
	rows := m.under([]byte{core.TableTimer})
	rows = rows[behind(rows, r.After.Append(nil)):]
	for i, row := range rows {
		if i == r.Limit {
			a.More = true
			break
		}
		timer, err := core.ParseTimerRow(row.Key, row.Value)
		if err != nil {
			panic(err)
		}
		a.Timers = append(a.Timers, timer)
	}
	return a
}

func (m Model) outbox(r core.ReadOutbox) core.OutboxRead {
	a := core.OutboxRead{Egress: r.Egress}
	rows := m.under(core.OutboxPrefix(r.Name))
	rows = rows[behind(rows, r.After.Append(nil, r.Name)):]
	left := r.Bytes
	for i, row := range rows {
		left -= int64(len(row.Value))
		if i == r.Limit || i > 0 && left < 0 {
			a.More = true
			break
		}
		record, err := core.ParseOutboxRow(row.Key, row.Value)
		if err != nil {
			panic(err)
		}
		a.Records = append(a.Records, record)
	}
	return a
}

func (m Model) backlog() (all []core.Address) {
	for _, row := range m.under([]byte{core.TableMailbox}) {
		a, _, err := core.CutAddressKey(row.Key)
		if err != nil {
			panic(err)
		}
		if n := len(all); n == 0 || all[n-1] != a {
			all = append(all, a)
		}
	}
	return all
}

func (m Model) expiring() (accesses []core.StoredAccess, dedupes []core.StoredDedupe) {
	for _, row := range m.under([]byte{core.TableAddress}) {
		a, rest, _ := core.CutAddressKey(row.Key)
		if rest[0] == core.SubAccess {
			at, _ := core.ParseMillis(row.Value)
			accesses = append(accesses, core.StoredAccess{Address: a, Name: string(rest[1:]), Access: at})
		}
	}
	for _, row := range m.under([]byte{core.TableDedupe}) {
		a, rest, _ := core.CutAddressKey(row.Key)
		at, _ := core.ParseMillis(row.Value)
		dedupes = append(dedupes, core.StoredDedupe{Address: a, ID: string(rest), Until: at})
	}
	return accesses, dedupes
}

func (m Model) held() (all []shard.HeldAddress) {
	for _, row := range m.under([]byte{core.TableAddress}) {
		if a, rest, _ := core.CutAddressKey(row.Key); rest[0] == core.SubHeld {
			all = append(all, shard.HeldAddress{Address: a, Value: row.Value})
		}
	}
	return all
}

func (m Model) failures(after shard.FailureKey, limit int) (all []shard.StoredFailure, more bool) {
	rows := m.under([]byte{core.TableFailure})
	for _, row := range rows[behind(rows, after.Append(nil)):] {
		if len(all) == limit {
			return all, true
		}
		k, _ := core.ParseTimerKey(row.Key[1:]) // the same form
		all = append(all, shard.StoredFailure{Key: shard.FailureKey{Time: k.Due, Seq: k.Seq}, Value: append([]byte{}, row.Value...)})
	}
	return all, false
}

func (m Model) letters(r core.LoadFailures) core.FailuresLoaded {
	ev := core.FailuresLoaded{Request: r.Request}
	size := int64(0)
	for i, k := range r.Keys {
		l := core.LoadedLetter{Key: k}
		key := shard.FailureKey{Time: k.Until, Seq: k.Seq}.Append(nil)
		if v, ok := m[string(key)]; ok {
			l.Size = int64(len(key) + len(v))
			var problem error
			if l.Letter, problem = core.ParseDeadLetter([]byte(v)); problem != nil {
				l.Problem = problem.Error()
			}
		}
		if size += l.Size; size > r.Bytes && i > 0 {
			break
		}
		ev.Letters = append(ev.Letters, l)
	}
	return ev
}

func (m Model) egresses() (names []string) {
	for _, row := range m.under([]byte{core.TableOutbox}) {
		name, _, _ := core.ParseOutboxKey(row.Key)
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return bytes.Compare(core.OutboxPrefix(a), core.OutboxPrefix(b)) })
	return slices.Compact(names)
}

func (m Model) hasType(t core.FunctionType) bool {
	for k, v := range m {
		switch k[0] {
		case core.TableAddress, core.TableDedupe, core.TableMailbox:
			if a, _, _ := core.CutAddressKey([]byte(k)); a.Type == t {
				return true
			}
		case core.TableTimer:
			if row, _ := core.ParseTimerRow([]byte(k), v); row.Target.Type == t {
				return true
			}
		}
	}
	return false
}
