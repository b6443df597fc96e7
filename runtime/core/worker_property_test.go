package core

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Random programs on one worker, with the store's answers in random order, do what the model does, also over restarts
// and with mailboxes spilled.
func TestWorkerKeepsOrderAndConsumesOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newProgram(t)
		for range rapid.IntRange(20, 120).Draw(t, "steps") {
			p.act(rapid.IntRange(0, 11).Draw(t, "action"))
		}
		p.finish()
	})
}

// program drives a worker and its stores for a model.
type program struct {
	t        *rapid.T
	m        *model
	script   *workerScript // its stores and pending reads
	command  command
	tries    []*Invocation
	answered []Result // also by workers before this one
	parked   map[Address]*Response
	begun    CheckpointID
	atCut    *model // what the checkpoint that was begun holds
	safe     *model // what the committed one holds
	peer     Epoch  // of another worker, whose frames come
	frames   uint64 // of it
	calm     bool   // functions answer without further effects
}

var programAddresses = []Address{
	{"f/a", "1"}, {"f/a", "2"}, {"f/b", "2"}, {"f/b", "a"}, {"f/c", "4"},
}

func newProgram(t *rapid.T) *program {
	memory := rapid.SampledFrom([]int{0, 2000, 6000, 20000}).Draw(t, "memory")
	batch := rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "batch")
	p := &program{t: t, script: &workerScript{}, parked: map[Address]*Response{}}
	p.command = parseCommand(fmt.Sprintf("worker shards=2 store=hold nodes=2 initial=1 memory=%d batch=%d", memory, batch))
	p.start(0)
	p.m = newModel(t, p.script.w.cfg.Sharding)
	p.safe = p.m.snapshot()
	return p
}

// start makes a worker over the rows that the stores hold.
func (p *program) start(restored CheckpointID) {
	s := p.script
	cfg := scriptConfig(p.command)
	cfg.Restored = restored
	if s.shards == nil {
		s.shards, s.nextSeq = []*memoryStore{newMemoryStore(), newMemoryStore()}, map[ShardID]Seq{}
	}
	if p.m != nil {
		cfg.Now = p.m.now
	}
	cfg.NextSeq = s.nextSeq
	s.w, s.hold, s.pending = must(NewWorker(cfg)), true, nil
	p.tries, p.begun, p.peer, p.frames = nil, restored, restored.Next(), 0
	for id := range s.shards {
		p.step(s.shards[id].restored(ShardID(id), cfg.App.Egresses))
	}
}

// step gives the worker an event and tells the model what came of it.
func (p *program) step(ev Event) {
	before := p.script.w.Stats().Invocations
	effects := p.script.w.Step(ev, nil)
	if p.script.w.Stats().Invocations > before {
		p.tellApplied(ev)
	}
	for _, e := range effects {
		p.script.take(e)
		switch e := e.(type) {
		case *Invocation:
			p.tries = append(p.tries, e)
			p.m.invoked(e)
		case Broken:
			p.t.Fatalf("broken: %s", e.Reason)
		}
	}
}

func (p *program) tellApplied(ev Event) {
	var a Address
	switch ev := ev.(type) {
	case Results:
		a = ev.Results[0].Invocation.Target
	case TokensFound:
		a = ev.Sender
	}
	p.m.applied(p.m.inflight[a], p.parked[a])
	delete(p.parked, a)
}

func (p *program) act(action int) {
	switch action {
	case 0, 1:
		p.record()
	case 2, 3, 4:
		p.answerTry()
	case 5, 6, 7:
		p.answerRead()
	case 8:
		p.m.now += Millis(rapid.IntRange(1, 40).Draw(p.t, "ms"))
		p.step(Tick{p.m.now})
	case 9, 10:
		p.checkpoint()
	case 11:
		if end := rapid.IntRange(0, 4).Draw(p.t, "end"); end == 0 {
			p.restart()
		} else if end == 1 {
			p.crash()
		} else if len(p.answered) > 0 {
			p.step(Results{[]Result{rapid.SampledFrom(p.answered).Draw(p.t, "again")}})
		}
	}
}

func (p *program) record() {
	a := rapid.SampledFrom(programAddresses).Draw(p.t, "target")
	msg := &Message{Target: a, Arg: Value(p.m.name())}
	if n := rapid.Uint64Range(0, 3).Draw(p.t, "trace"); n > 0 {
		msg.Trace = testTrace(n)
	}
	if rapid.Bool().Draw(p.t, "dedupe") {
		msg.Dedupe = rapid.SampledFrom([]string{"x", "y", "z", "u", "v", "w"}).Draw(p.t, "id")
	}
	if rapid.Bool().Draw(p.t, "frame") {
		p.frame(msg)
		return
	}
	p.m.send(a, string(msg.Arg), msg.Dedupe)
	p.step(Records{Messages: []*Message{msg}})
}

// answerTry answers one of the tries in flight: the first of a type says that it lacks its state.
func (p *program) answerTry() {
	if len(p.tries) == 0 {
		return
	}
	i := rapid.IntRange(0, len(p.tries)-1).Draw(p.t, "try")
	inv := p.tries[i]
	p.tries = slices.Delete(p.tries, i, i+1)
	if !p.calm && rapid.IntRange(0, 5).Draw(p.t, "fails") == 0 {
		delete(p.m.inflight, inv.Target)
		p.result(inv, p.failure())
		return
	}
	if len(inv.States) == 0 {
		delete(p.m.inflight, inv.Target)
		missing := []StateSpec{{Name: "n", Typename: "t"}}
		p.result(inv, Outcome{Response: &Response{Incomplete: true, Missing: missing}})
		return
	}
	resp := p.response(inv)
	p.parked[inv.Target] = resp
	p.result(inv, Outcome{Response: resp})
}

func (p *program) result(inv *Invocation, o Outcome) {
	r := Result{Invocation: inv, Outcome: o}
	p.answered = append(p.answered, r)
	p.step(Results{[]Result{r}})
}

// failure is an outcome without any effect: a failed try, or an answer that is refused.
func (p *program) failure() Outcome {
	nobody := Address{Type: "nobody/serves", ID: "1"}
	send := Outgoing{Target: programAddresses[0], Arg: Value("never")}
	return rapid.SampledFrom([]Outcome{
		{Class: OutcomeFailed, Reason: "random"},
		{Class: OutcomeTrouble, RetryAfter: 5},
		{},
		{Response: &Response{Incomplete: true, Missing: []StateSpec{{Name: "n", Typename: "other"}, {}}}},
		{Response: &Response{Messages: []Outgoing{send, {Target: nobody}}}},
		{Response: &Response{Messages: []Outgoing{send}, Delayed: []Delayed{{Target: nobody}}}},
		{Response: &Response{Messages: []Outgoing{send}, Delayed: []Delayed{{Cancel: true}}}},
		{Response: &Response{Messages: []Outgoing{send}, Egresses: []EgressRecord{{Egress: "no/where"}}}},
		{Response: &Response{Messages: []Outgoing{send}, Mutations: []Mutation{{Name: "q"}}}},
		{Response: &Response{Messages: []Outgoing{send}, Mutations: []Mutation{{Name: "n", Typename: "other"}}}},
	}).Draw(p.t, "failure")
}

func (p *program) response(inv *Invocation) *Response {
	resp := &Response{}
	value := p.m.state[inv.Target] + "|" + string(inv.Messages[0].Arg)
	resp.Mutations = []Mutation{{Name: "n", Typename: "t", Value: Value(value)}}
	if p.calm {
		return resp
	}
	for range rapid.IntRange(0, 2).Draw(p.t, "sends") {
		to := rapid.SampledFrom(programAddresses).Draw(p.t, "to")
		resp.Messages = append(resp.Messages, Outgoing{Target: to, Arg: Value(p.m.name())})
	}
	if rapid.IntRange(0, 2).Draw(p.t, "delays") == 0 {
		to := rapid.SampledFrom(programAddresses).Draw(p.t, "later")
		d := Delayed{Target: to, Arg: Value(p.m.name()), Delay: Millis(rapid.IntRange(0, 50).Draw(p.t, "delay"))}
		if rapid.Bool().Draw(p.t, "token") {
			d.Token = p.m.name()
		}
		resp.Delayed = append(resp.Delayed, d)
	}
	if set := p.m.tokens[inv.Target]; len(set) > 0 && rapid.Bool().Draw(p.t, "cancels") {
		tm := rapid.SampledFrom(set).Draw(p.t, "cancel")
		resp.Delayed = append(resp.Delayed, Delayed{Cancel: true, Token: tm.token})
	}
	return resp
}
