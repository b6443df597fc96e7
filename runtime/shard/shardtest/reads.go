package shardtest

import (
	"math"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// equal treats nil and empty lists alike, but not nil and empty values.
var equal = cmp.Options{
	cmp.FilterValues(bothEmpty, cmp.Comparer(func(any, any) bool { return true })),
	cmp.Comparer(func(a, b core.Value) bool { return (a == nil) == (b == nil) && string(a) == string(b) }),
}

func bothEmpty(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if !x.IsValid() || !y.IsValid() || x.Kind() != reflect.Slice || y.Kind() != reflect.Slice {
		return false
	}
	return x.Type().Elem().Kind() != reflect.Uint8 && x.Len() == 0 && y.Len() == 0
}

// checker compares answers of a store with those of the model.
type checker struct {
	t testing.TB
	r *Random
	s *shard.Store
	m Model
}

// checkReads asks a store everything that it can be asked.
func checkReads(t testing.TB, r *Random, s *shard.Store, m Model) {
	t.Helper()
	c := checker{t: t, r: r, s: s, m: m}
	for range 10 {
		c.addresses()
		c.keys()
		c.queues()
	}
	c.backlog()
	c.expiring()
	c.operator()
}

func (c checker) same(what string, got, want any, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Errorf("%s: %v", what, err)
		return
	}
	if d := cmp.Diff(want, got, equal); d != "" {
		c.t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func (c checker) answer(read core.Effect, want core.Event) {
	c.t.Helper()
	got, err := c.s.Answer(read)
	c.same("answer", got, want, err)
}

func (c checker) addresses() {
	a, count, size := c.r.address(), c.r.IntN(6), c.r.Int64N(200)
	load := core.LoadAddress{Address: a, MailboxCount: count, MailboxBytes: size}
	c.answer(load, c.m.loadAddress(load))
	from, through := core.Seq(c.r.IntN(12)), core.Seq(c.r.IntN(14)) //nolint:gosec // positive
	var want core.MailboxLoaded
	want.Address = a
	want.Messages, want.More = head(c.m.mailbox(a, from, through), count, size)
	c.answer(core.LoadMailbox{Address: a, From: from, Through: through, Count: count, Bytes: size}, want)
	states, err := c.s.States(a)
	c.same("states", states, c.m.loadAddress(load).States, err)
	name := c.r.name()
	v, err := c.s.State(a, name)
	row, ok := c.m[string(core.StateKey(a, name))]
	var state core.Value
	if ok {
		state = append(core.Value{}, row...)
	}
	c.same("state", v, state, err)
}

func (c checker) keys() {
	a := c.r.address()
	msg := &core.Message{Target: a, Dedupe: c.r.name()}
	found, err := c.s.FindDedupe(core.FindDedupe{Message: msg})
	if err != nil {
		c.t.Error(err)
	}
	row, ok := c.m[string(core.DedupeKey(a, msg.Dedupe))]
	until := core.Millis(0)
	if ok {
		until, _ = core.ParseMillis(row)
	}
	if found.Found != ok || found.Until != until || found.Message != msg {
		c.t.Errorf("dedupe id: got %+v, want %v until %d", found, ok, until)
	}
	tokens := []string{c.r.name(), c.r.name(), "none", c.r.name()}
	want := core.TokensFound{Sender: a, Timers: map[string]core.TimerKey{}}
	for _, t := range tokens {
		if v, ok := c.m[string(core.TokenKey(a, t))]; ok {
			want.Timers[t], _ = core.ParseTimerKey(v)
		}
	}
	c.answer(core.FindTokens{Sender: a, Tokens: tokens}, want)
}

func (c checker) queues() {
	seq, limit := core.Seq(c.r.IntN(13)), 1+c.r.IntN(9) //nolint:gosec // positive
	timers := core.ReadTimers{After: core.TimerKey{Due: core.Millis(c.r.IntN(10)), Seq: seq}, Limit: limit}
	c.answer(timers, c.m.timers(timers))
	outbox := core.ReadOutbox{
		Name:  egresses[c.r.IntN(len(egresses))],
		After: core.OutboxKey{Epoch: core.Epoch(c.r.IntN(4)), Seq: seq}, //nolint:gosec // positive
		Limit: limit,
		Bytes: c.r.Int64N(100),
	}
	c.answer(outbox, c.m.outbox(outbox))
	after := shard.FailureKey{Time: core.Millis(c.r.IntN(6)), Seq: seq}
	got, more, err := c.s.Failures(after, limit)
	want, wantMore := c.m.failures(after, limit)
	c.same("failures", got, want, err)
	if more != wantMore {
		c.t.Errorf("failures: more %v, want %v", more, wantMore)
	}
	c.letters(got)
}

// letters reads dead letters by their keys, and one that is not there; then those that fit into some bytes.
func (c checker) letters(stored []shard.StoredFailure) {
	read := core.LoadFailures{Request: 7, Keys: []core.DeadLetterKey{{Until: 1 << 40, Seq: 1}}, Bytes: 1 + c.r.Int64N(200)}
	for _, f := range stored {
		read.Keys = append(read.Keys, core.DeadLetterKey{Until: f.Key.Time, Seq: f.Key.Seq})
	}
	loaded := c.m.letters(read)
	loaded.Shard = c.s.Meta().Shard
	c.answer(read, loaded)
	page, more, err := c.s.FailuresWithin(shard.FailureKey{}, 100, read.Bytes)
	all, _ := c.m.failures(shard.FailureKey{}, 100)
	want, size := 0, int64(0)
	for want < len(all) && size < read.Bytes {
		size += int64(17 + len(all[want].Value))
		want++
	}
	c.same("failures within", page, all[:want:want], err)
	if more != (want < len(all)) {
		c.t.Errorf("failures within %d bytes: more %v of %d, got %d", read.Bytes, more, len(all), len(page))
	}
}

func (c checker) backlog() {
	limit := 1 + c.r.IntN(9)
	var got []core.Address
	for read := (core.ReadBacklog{Limit: limit}); ; {
		a, err := c.s.ReadBacklog(read)
		if err != nil {
			c.t.Fatal(err)
		}
		if len(a.Addresses) > limit || a.Next != nil && len(a.Addresses) != limit {
			c.t.Errorf("backlog: %d of %d, next %q", len(a.Addresses), limit, a.Next)
		}
		got = append(got, a.Addresses...)
		if read.After = a.Next; a.Next == nil {
			break
		}
	}
	c.same("backlog", got, c.m.backlog(), nil)
}

func (c checker) expiring() {
	limit := 1 + c.r.IntN(20)
	var accesses []core.StoredAccess
	var dedupes []core.StoredDedupe
	for read := (core.ReadExpiring{Limit: limit}); ; {
		a, err := c.s.ReadExpiring(read)
		if err != nil {
			c.t.Fatal(err)
		}
		if len(a.Accesses)+len(a.Dedupes) > limit {
			c.t.Errorf("expiring: %d of %d", len(a.Accesses)+len(a.Dedupes), limit)
		}
		accesses, dedupes = append(accesses, a.Accesses...), append(dedupes, a.Dedupes...)
		if read.After = a.Next; a.Next == nil {
			break
		}
	}
	wantAccesses, wantDedupes := c.m.expiring()
	c.same("access rows", accesses, wantAccesses, nil)
	c.same("dedupe ids", dedupes, wantDedupes, nil)
}

func (c checker) operator() {
	var held []shard.HeldAddress
	for next, first := []byte(nil), true; first || next != nil; first = false {
		more, after, err := c.s.Held(next, 1+c.r.IntN(9))
		if err != nil {
			c.t.Fatal(err)
		}
		held, next = append(held, more...), after
	}
	c.same("held", held, c.m.held(), nil)
	names, err := c.s.OutboxEgresses()
	c.same("egresses", names, c.m.egresses(), err)
	specs, err := c.s.Specs()
	want := make(map[core.FunctionType]core.Specs)
	for _, row := range c.m.under([]byte{core.TableSpecs}) {
		want[core.FunctionType(row.Key[1:])], _ = core.ParseSpecs(row.Value)
	}
	c.same("specs", specs, want, err)
	c.types()
}

func (c checker) types() {
	known := make(map[core.FunctionType]bool)
	for _, t := range c.s.FunctionTypes() {
		known[t] = true
	}
	for _, t := range []core.FunctionType{"shop/cart", "shop/stock", "a/b", "not/there"} {
		want := c.m.hasType(t)
		if want && !known[t] {
			c.t.Errorf("type %s is not known", t)
		}
		found := false
		for next, first := []byte(nil), true; !found && (first || next != nil); first = false {
			var err error
			if found, next, err = c.s.HasFunctionType(t, next, 1+c.r.IntN(20)); err != nil {
				c.t.Fatal(err)
			}
		}
		if found != want {
			c.t.Errorf("type %s: %v, want %v", t, found, want)
		}
	}
	if found, next, err := c.s.HasFunctionType("shop/cart", nil, math.MaxInt); err != nil || next != nil || found != c.m.hasType("shop/cart") {
		c.t.Errorf("type shop/cart at once: %v, %q, %v", found, next, err)
	}
}
