package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// States that every function declares.
const (
	stateLog = "log"
	stateAux = "aux"
	stateTTL = "ttl"
)

// stamp names a try in values.
type stamp struct {
	gen    core.Generation
	worker core.WorkerID
	n      uint64
}

func stampOf(t core.TryID) stamp { return stamp{t.Generation, t.Worker, t.N} }

func (t stamp) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(t.gen))
	b = binary.AppendUvarint(b, uint64(t.worker))
	return binary.AppendUvarint(b, t.n)
}

// past is what the state "log" of an Address holds: all that it consumed, and what it must find next time.
type past struct {
	in      []pair // by sender: the last number that came
	out     []pair // by target: the last number that was sent
	log     []consumed
	aux     uint64 // the program that wrote the state "aux"; zero if none
	auxSize uint64
	ttl     stamp // the try that wrote the state "ttl"; zero if none
}

type pair struct{ who, n uint64 }

type consumed struct {
	id uint64
	by stamp
}

func (p *past) encode() core.Value {
	b := make(core.Value, 0, 32+8*len(p.log))
	pairs := func(ps []pair) {
		b = binary.AppendUvarint(b, uint64(len(ps)))
		for _, v := range ps {
			b = binary.AppendUvarint(binary.AppendUvarint(b, v.who), v.n)
		}
	}
	pairs(p.in)
	pairs(p.out)
	b = binary.AppendUvarint(b, uint64(len(p.log)))
	for _, c := range p.log {
		b = c.by.append(binary.AppendUvarint(b, c.id))
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, p.aux), p.auxSize)
	return p.ttl.append(b)
}

func decodePast(b []byte) (p past, err error) {
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			err = errors.New("a state is cut short")
			b = nil
			return 0
		}
		b = b[n:]
		return v
	}
	by := func() stamp {
		return stamp{core.Generation(next()), core.WorkerID(next()), next()} //nolint:gosec // as written
	}
	pairs := func() (ps []pair) {
		for n := next(); n > 0 && err == nil; n-- {
			ps = append(ps, pair{next(), next()})
		}
		return ps
	}
	if len(b) == 0 {
		return p, nil
	}
	p.in, p.out = pairs(), pairs()
	for n := next(); n > 0 && err == nil; n-- {
		p.log = append(p.log, consumed{next(), by()})
	}
	p.aux, p.auxSize = next(), next()
	p.ttl = by()
	if len(b) != 0 {
		err = errors.New("a state is too long")
	}
	return p, err
}

// bump counts up the number of who and returns it.
func bump(ps *[]pair, who uint64) *pair {
	for i := range *ps {
		if (*ps)[i].who == who {
			return &(*ps)[i]
		}
	}
	*ps = append(*ps, pair{who: who})
	return &(*ps)[len(*ps)-1]
}

// call plays transport and function: it answers some time later, in one of the ways in which that can go.
func (e *endpoint) call(inv *core.Invocation) {
	s, p := e.g.s, &e.g.s.profile
	delay := 100 + s.spread(2_000)
	if s.faulty(p.callSlow) {
		s.count(CallSlow)
		delay = s.spread(300_000)
	}
	answer := func() core.Outcome { return core.Outcome{Response: s.respond(inv)} }
	if reason := s.poisoned(inv); reason != "" {
		answer = func() core.Outcome { return core.Outcome{Class: core.OutcomeFailed, Reason: reason} }
	}
	switch {
	case s.faulty(p.callTrouble):
		s.count(CallTrouble)
		answer = func() core.Outcome { return core.Outcome{Class: core.OutcomeTrouble, Reason: "status 503"} }
	case s.faulty(p.callFailed):
		s.count(CallFailed)
		answer = s.failed()
	case s.faulty(p.callLate):
		s.count(CallLate)
		e.deliver(inv, delay, false, func() core.Outcome {
			return core.Outcome{Class: core.OutcomeFailed, Reason: "no answer in time", Took: core.Millis(delay / 1000)}
		})
		e.deliver(inv, delay+s.spread(100_000), s.chance(0.5), answer)
		return
	case s.faulty(p.callTwice):
		s.count(CallTwice)
		e.deliver(inv, delay+s.spread(30_000), s.chance(0.5), answer)
	}
	e.deliver(inv, delay, false, answer)
}

// failed is a failure of the function's or an answer that is no answer.
func (s *Sim) failed() func() core.Outcome {
	if s.chance(0.5) {
		return func() core.Outcome { return core.Outcome{Class: core.OutcomeFailed, Reason: "status 500"} }
	}
	return func() core.Outcome {
		return core.Outcome{Response: &core.Response{Messages: []core.Outgoing{{Target: core.Address{Type: "sim/none", ID: "x"}}}}}
	}
}

// poisoned says why the batch must fail.
func (s *Sim) poisoned(inv *core.Invocation) string {
	reason := ""
	for _, m := range inv.Messages {
		p, _, _ := s.decodeMessage(m.Arg)
		if p.poison == 0 {
			continue
		}
		if p.poison > 0 {
			p.poison--
		}
		reason = fmt.Sprintf("program %d is poison", p.id)
	}
	return reason
}

// deliver has an answer arrive: at the dispatcher, past it at the worker, or, if the generation or the process is over by then, at
// some worker of the next.
func (e *endpoint) deliver(inv *core.Invocation, delay int64, past bool, answer func() core.Outcome) {
	g, p := e.g, e.g.p
	g.s.after(delay, func() {
		switch {
		case !p.alive:
			p.m.lateAnswer(inv, answer)
		case p.gen == nil:
		case g.over:
			g.s.count(AnswerToOldGeneration)
			to := p.gen.workers[g.s.rng.IntN(len(p.gen.workers))]
			to.put(core.Results{Results: []core.Result{{Invocation: inv, Outcome: answer()}}})
		case past:
			g.own(inv.Try.Worker).put(core.Results{Results: []core.Result{{Invocation: inv, Outcome: answer()}}})
		default:
			e.answered(inv, answer())
		}
	})
}

// lateAnswer has the answer to a try of a process that has died arrive at the one that runs now, if there is one.
func (m *machine) lateAnswer(inv *core.Invocation, answer func() core.Outcome) {
	if m.proc == nil || m.proc.gen == nil || m.proc.gen.over {
		return
	}
	g := m.proc.gen
	g.s.count(AnswerAfterRestart)
	to := g.workers[g.s.rng.IntN(len(g.workers))]
	to.put(core.Results{Results: []core.Result{{Invocation: inv, Outcome: answer()}}})
}

// respond runs the programs of a batch. Whatever it is given that cannot be fails the run.
func (s *Sim) respond(inv *core.Invocation) *core.Response {
	code := s.code[inv.Endpoint]
	resp := &core.Response{}
	for _, spec := range code.specs() {
		if _, ok := given(inv, spec.Name); !ok {
			resp.Incomplete = true
			resp.Missing = append(resp.Missing, spec)
		}
	}
	if resp.Incomplete {
		return resp
	}
	stored, _ := given(inv, stateLog)
	p, err := decodePast(stored)
	if err != nil {
		s.fail("%s: %v", inv.Target, err)
	}
	c := &call{s: s, inv: inv, past: &p, by: stampOf(inv.Try), resp: resp, code: code}
	c.checkAux()
	c.checkTTL()
	for _, m := range inv.Messages {
		c.consume(m)
	}
	c.finish()
	return resp
}

func given(inv *core.Invocation, name string) (core.Value, bool) {
	for i := range inv.States {
		if inv.States[i].Name == name {
			return inv.States[i].Value, true
		}
	}
	return nil, false
}

// call is one run of a function.
type call struct {
	s    *Sim
	inv  *core.Invocation
	past *past
	by   stamp
	resp *core.Response
	code *deployment

	auxOp, ttlOp *op // the last that counts
	auxBy        uint64
}

func (c *call) fail(format string, args ...any) {
	c.s.fail("%s, try %s: %s", c.inv.Target, c.inv.Try, fmt.Sprintf(format, args...))
}

func (c *call) checkAux() {
	if c.code.withoutAux {
		return
	}
	got, _ := given(c.inv, stateAux)
	if c.past.aux == 0 {
		if got != nil {
			c.fail("state aux has %d bytes and should have none", len(got))
		}
		return
	}
	if want := auxValue(c.past.aux, int(c.past.auxSize)); !bytes.Equal(got, want) { //nolint:gosec // small
		c.fail("state aux has %d bytes, want %d of program %d", len(got), len(want), c.past.aux)
	}
	if c.s.model.programs[c.past.aux].auxEra < c.code.dropped {
		c.s.count(StateBack)
	}
}

func auxValue(id uint64, size int) core.Value { return appendPattern([]byte{1}, id, size) }

// checkTTL: a value is there until its time is over, and not a moment longer. While a function changes, what the worker has learned is
// one of the codes since its generation began, or any older one until its first invocation is answered; an older code's time may have ended
// the value before.
func (c *call) checkTTL() {
	got, _ := given(c.inv, stateTTL)
	if c.past.ttl == (stamp{}) {
		if got != nil {
			c.fail("state ttl is there, which was deleted or never written")
		}
		return
	}
	written := c.s.model.tries[c.past.ttl].applied
	try := c.s.model.tries[c.by]
	now, spec := try.started, c.code.ttl
	switch {
	case got == nil && written+c.code.shortest(0) > now:
		c.fail("state ttl is gone at %d, written at %d with %d ms to live", now, written, spec.TTL)
	case got != nil && written+c.code.longest(try.era) <= now && !c.code.renewing():
		c.fail("state ttl is handed out at %d, written at %d with %d ms to live", now, written, spec.TTL)
	case got != nil && !bytes.Equal(got, c.past.ttl.append(nil)):
		c.fail("state ttl holds another try's value")
	case got == nil:
		c.past.ttl = stamp{}
	}
}

// consume runs the program of one message.
func (c *call) consume(m *core.Message) {
	p, seq, from := c.s.decodeMessage(m.Arg)
	if c.s.model.addrs[p.target] != c.inv.Target || m.Target != c.inv.Target {
		c.fail("it got the message of program %d, which is for %s", p.id, c.s.model.addrs[p.target])
	}
	if p.gone > 0 && c.inv.Try.Generation >= p.gone && !c.s.model.tries[c.by].ended {
		c.fail("it got the message of program %d, which was dropped before", p.id)
	}
	caller := core.Address{}
	if p.parent != nil && !p.looped {
		caller = c.s.model.addrs[p.parent.target]
	}
	if m.Caller != caller {
		c.fail("the message of program %d comes from %s, not %s", p.id, m.Caller, caller)
	}
	c.s.note("run in "+c.inv.Target.String(), p.id, seq)
	for _, old := range c.past.log {
		if old.id == p.id {
			c.fail("it got the message of program %d a second time", p.id)
		}
	}
	c.checkOrder(p, seq, from)
	c.past.log = append(c.past.log, consumed{p.id, c.by})
	for i := range p.ops {
		c.do(p, &p.ops[i])
	}
}

// checkOrder: what one sender sends to one receiver comes in order, without gaps, unless the endpoint gives messages up or an
// operator did, or the stream was read from some time on. A dead letter that was put back has lost its place.
func (c *call) checkOrder(p *program, seq uint64, from uint32) {
	if seq == 0 {
		return
	}
	last := bump(&c.past.in, uint64(from))
	if p.redrives > 0 && seq < last.n { // put back behind what waited
		return
	}
	latest := last.n == 0 && from == fromStream && c.s.profile.start == lineage.Latest
	gaps := latest || gaveUp(c.inv.Target.Type) || c.s.model.gaps[c.inv.Target]
	if seq <= last.n || (seq != last.n+1 && !gaps) {
		c.fail("message %d of sender %d (program %d) after message %d", seq, from, p.id, last.n)
	}
	last.n = seq
}

func (c *call) do(p *program, o *op) {
	switch o.kind {
	case opSend:
		n := bump(&c.past.out, uint64(o.child.target)) //nolint:gosec // small
		n.n++
		c.resp.Messages = append(c.resp.Messages, core.Outgoing{
			Target: c.s.model.addrs[o.child.target], Arg: o.child.encode(n.n, uint32(p.target)), //nolint:gosec // small
		})
	case opDelay:
		c.resp.Delayed = append(c.resp.Delayed, core.Delayed{
			Token: o.child.token, Delay: o.child.delay, Target: c.s.model.addrs[o.child.target], Arg: o.child.encode(0, fromNobody),
		})
	case opCancel:
		c.resp.Delayed = append(c.resp.Delayed, core.Delayed{Cancel: true, Token: o.token})
	case opOnce:
		c.resp.Egresses = append(c.resp.Egresses, core.EgressRecord{Egress: egressNames[egressOnce], Arg: recordValue(p.id, c.by)})
	case opCommit:
		c.resp.Egresses = append(c.resp.Egresses, core.EgressRecord{Egress: egressNames[egressCommit], Arg: recordValue(p.id, c.by)})
	case opStream:
		c.resp.Egresses = append(c.resp.Egresses, core.EgressRecord{Egress: egressNames[egressStream], Arg: o.child.encode(0, fromNobody)})
	case opAux, opDeleteAux:
		if c.code.withoutAux {
			return
		}
		p.auxEra = c.code.era
		c.auxOp, c.auxBy = o, p.id
	case opTTL, opDeleteTTL:
		c.ttlOp = o
	}
}

// recordValue is an egress record of a program, as made by a try. A program with several records makes equal ones.
func recordValue(id uint64, by stamp) core.Value {
	return by.append(binary.AppendUvarint(nil, id))
}

// finish writes the states.
func (c *call) finish() {
	mutate := func(name, typename string, v core.Value) {
		c.resp.Mutations = append(c.resp.Mutations, core.Mutation{Name: name, Typename: typename, Value: v, Delete: v == nil})
	}
	if o := c.auxOp; o != nil {
		c.past.aux, c.past.auxSize = 0, 0
		var v core.Value
		if o.kind == opAux {
			c.past.aux, c.past.auxSize = c.auxBy, uint64(o.size) //nolint:gosec // not negative
			v = auxValue(c.auxBy, o.size)
			if o.size > 10_000 {
				c.s.count(LargeValue)
			}
		}
		mutate(stateAux, "sim/aux", v)
	}
	if o := c.ttlOp; o != nil {
		c.past.ttl = stamp{}
		var v core.Value
		if o.kind == opTTL {
			c.past.ttl = c.by
			v = c.by.append(nil)
		}
		mutate(stateTTL, "sim/ttl", v)
	}
	mutate(stateLog, "sim/log", c.past.encode())
}

// deadArgument is the argument of the message that a dead letter holds.
func deadArgument(v core.Value) (core.Value, error) {
	i := bytes.Index(v, []byte(`{"address"`))
	if i < 0 {
		return nil, errors.New("no JSON in it")
	}
	var r core.DeadLetterRecord
	if err := json.Unmarshal(v[i:], &r); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(r.Argument)
}

func panicText(what any) string { return fmt.Sprintf("panic: %v\n%s", what, debug.Stack()) }
