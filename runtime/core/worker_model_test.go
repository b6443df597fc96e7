package core

import (
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"
)

// model is what a program on one worker must do, told by queues: what was sent to an Address is consumed once, in order.
type model struct {
	t        *rapid.T
	mail     map[Address][]*modelMessage
	timers   map[Address]map[ShardID][]*modelTimer // by target and the sender's shard, in the order in which they are due
	state    map[Address]string
	inflight map[Address]*Invocation
	accepted map[string]bool // target and dedupe id that an accepted invocation consumed
	tokens   map[Address][]*modelTimer
	shards   Sharding
	now      Millis
	names    int
	consumed int
}

type modelMessage struct{ arg, id string }

type modelTimer struct {
	arg, token string
	due        Millis
	maybe      bool // cancelled when it was due already
}

func newModel(t *rapid.T, shards Sharding) *model {
	return &model{
		t: t, shards: shards, now: 1000, mail: map[Address][]*modelMessage{}, timers: map[Address]map[ShardID][]*modelTimer{},
		state: map[Address]string{}, inflight: map[Address]*Invocation{}, accepted: map[string]bool{}, tokens: map[Address][]*modelTimer{},
	}
}

// snapshot is a copy without what is in flight: what a checkpoint holds of it.
func (m *model) snapshot() *model {
	c := newModel(m.t, m.shards)
	c.now, c.names, c.consumed = m.now, m.names, m.consumed
	c.state, c.accepted = maps.Clone(m.state), maps.Clone(m.accepted)
	for a, q := range m.mail {
		c.mail[a] = slices.Clone(q)
	}
	copies := map[*modelTimer]*modelTimer{}
	copyAll := func(q []*modelTimer) []*modelTimer {
		q = slices.Clone(q)
		for i, tm := range q {
			if copies[tm] == nil {
				again := *tm
				copies[tm] = &again
			}
			q[i] = copies[tm]
		}
		return q
	}
	for a, byShard := range m.timers {
		c.timers[a] = map[ShardID][]*modelTimer{}
		for sh, q := range byShard {
			c.timers[a][sh] = copyAll(q)
		}
	}
	for a, q := range m.tokens {
		c.tokens[a] = copyAll(q)
	}
	return c
}

// name is a text that no other message has.
func (m *model) name() string {
	m.names++
	return fmt.Sprintf("m%d", m.names)
}

func (m *model) send(to Address, arg, id string) {
	m.mail[to] = append(m.mail[to], &modelMessage{arg, id})
}

func (m *model) delay(from, to Address, d Delayed) {
	if m.timers[to] == nil {
		m.timers[to] = map[ShardID][]*modelTimer{}
	}
	tm := &modelTimer{arg: string(d.Arg), token: d.Token, due: m.now + d.Delay}
	sh := m.shards.Of(from.Hash())
	q := append(m.timers[to][sh], tm)
	slices.SortStableFunc(q, func(a, b *modelTimer) int { return int(a.due - b.due) })
	m.timers[to][sh] = q
	if d.Token != "" {
		m.tokens[from] = append(m.tokens[from], tm)
	}
}

func (m *model) cancel(from Address, token string) {
	for _, tm := range m.tokens[from] {
		if tm.token != token {
			continue
		}
		if tm.due <= m.now {
			tm.maybe = true // it may have left already
			return
		}
		m.drop(tm)
	}
}

func (m *model) drop(tm *modelTimer) {
	for _, byShard := range m.timers {
		for sh, q := range byShard {
			byShard[sh] = slices.DeleteFunc(q, func(o *modelTimer) bool { return o == tm })
		}
	}
}

// invoked checks that an invocation is allowed: nothing else in flight, the state right, the messages next in order.
func (m *model) invoked(inv *Invocation) {
	a := inv.Target
	if m.inflight[a] != nil {
		m.t.Fatalf("%s: invoked with %s in flight", a, m.inflight[a].Try)
	}
	m.inflight[a] = inv
	for _, s := range inv.States {
		if string(s.Value) != m.state[a] {
			m.t.Fatalf("%s: state %q, want %q", a, s.Value, m.state[a])
		}
	}
	mail := slices.Clone(m.mail[a])
	timers := map[ShardID][]*modelTimer{}
	for sh, q := range m.timers[a] {
		timers[sh] = slices.Clone(q)
	}
	for _, msg := range inv.Messages {
		mail = m.take(a, mail, timers, string(msg.Arg))
	}
}

// take finds a message at the head of a queue of its target and returns what is left of the mail.
func (m *model) take(a Address, mail []*modelMessage, timers map[ShardID][]*modelTimer, arg string) []*modelMessage {
	for sh, q := range timers {
		for i, tm := range q {
			if tm.arg == arg && tm.due <= m.now {
				timers[sh] = q[i+1:]
				return mail
			}
			if !tm.maybe {
				break
			}
		}
	}
	for i, msg := range mail {
		if msg.arg == arg {
			return mail[i+1:]
		}
		if !m.repeat(a, msg, m.mail[a]) {
			m.t.Fatalf("%s: got %s while %s waits", a, arg, msg.arg)
		}
	}
	m.t.Fatalf("%s: got %s, which nobody sent or which was consumed", a, arg)
	return nil
}

// repeat reports whether a message may have been dropped: another with its id was consumed or waits.
func (m *model) repeat(a Address, msg *modelMessage, others []*modelMessage) bool {
	if msg.id == "" {
		return false
	}
	return m.accepted[a.String()+msg.id] || slices.ContainsFunc(others, func(o *modelMessage) bool { return o != msg && o.id == msg.id })
}

// applied takes the effects of an accepted answer.
func (m *model) applied(inv *Invocation, resp *Response) {
	a := inv.Target
	delete(m.inflight, a)
	for _, msg := range inv.Messages {
		m.consume(a, string(msg.Arg))
	}
	for _, o := range resp.Messages {
		m.send(o.Target, string(o.Arg), "")
	}
	for _, d := range resp.Delayed {
		if d.Cancel {
			m.cancel(a, d.Token)
		} else {
			m.delay(a, d.Target, d)
		}
	}
	for _, mu := range resp.Mutations {
		m.state[a] = string(mu.Value)
	}
}

func (m *model) consume(a Address, arg string) {
	m.consumed++
	for i, msg := range m.mail[a] {
		if msg.arg == arg {
			for _, dropped := range m.mail[a][:i] {
				m.requireRepeat(a, dropped, m.mail[a][i:])
			}
			m.mail[a] = slices.Clone(m.mail[a][i+1:])
			if msg.id != "" && m.accepted[a.String()+msg.id] {
				m.t.Fatalf("%s: %s consumed, a repeat of %s", a, arg, msg.id)
			}
			m.accepted[a.String()+msg.id] = msg.id != ""
			return
		}
	}
	for sh, q := range m.timers[a] {
		if i := slices.IndexFunc(q, func(tm *modelTimer) bool { return tm.arg == arg }); i >= 0 {
			m.timers[a][sh] = slices.Clone(q[i+1:])
			return
		}
	}
	m.t.Fatalf("%s: consumed %s, which is in no queue", a, arg)
}

func (m *model) requireRepeat(a Address, msg *modelMessage, others []*modelMessage) {
	if !m.repeat(a, msg, others) {
		m.t.Fatalf("%s: %s was passed over", a, msg.arg)
	}
}

// finished checks that everything was consumed.
func (m *model) finished() {
	for a, q := range m.mail {
		for _, msg := range q {
			m.requireRepeat(a, msg, nil)
		}
	}
	for a, byShard := range m.timers {
		for _, q := range byShard {
			for _, tm := range q {
				if !tm.maybe {
					m.t.Fatalf("%s: the delayed message %s never came", a, tm.arg)
				}
			}
		}
	}
}
