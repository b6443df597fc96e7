package core

import (
	"fmt"
	"testing"
)

// answering is a worker with endpoints for f/*, and g/* if there are two, and its tries under way.
type answering struct {
	w      *Worker
	flying []*Invocation
}

func newAnswering(memory int64, endpoints ...Endpoint) *answering {
	a := &answering{w: must(NewWorker(WorkerConfig{
		Nodes: make([]NodeID, 1), Sharding: must(NewSharding(1)), Owners: make([]WorkerID, 1), Memory: memory, Now: 1000,
		App: &Application{
			Endpoints: endpoints, Egresses: []Egress{{Name: "out/now"}},
			EndpointOf: func(t FunctionType) (EndpointID, bool) { return EndpointID(t[0] - 'f'), true },
		},
	}))}
	a.w.Step(ShardRestored{Empty: true}, nil)
	return a
}

func (a *answering) step(ev Event) {
	for _, e := range a.w.Step(ev, nil) {
		switch e := e.(type) {
		case *Invocation:
			a.flying = append(a.flying, e)
		case Emit:
			a.step(EgressDone{Records: e.Records})
		}
	}
}

// messages come, each for another Address.
func (a *answering) messages(n int) {
	for i := range n {
		a.step(Records{Messages: []*Message{{Target: Address{Type: "f/a", ID: fmt.Sprint(i)}}}})
	}
}

// answer answers the first try under way.
func (a *answering) answer(size int) {
	inv := a.flying[0]
	a.flying = a.flying[1:]
	resp := &Response{Egresses: []EgressRecord{{Egress: "out/now", Arg: make(Value, size)}}}
	a.step(Results{Results: []Result{{Invocation: inv, Outcome: Outcome{Response: resp}}}})
}

// When answers are large, no more invocations are under way than a quarter of the memory holds answers; when they are small again, as many as
// the window. One large answer among small ones is enough to be careful.
func TestLargeAnswersUnderWay(t *testing.T) {
	const memory = 4 << 20
	a := newAnswering(memory, Endpoint{Window: 200})
	a.messages(900)
	for range 300 {
		a.answer(100 << 10)
	}
	if got := len(a.flying); got == 0 || got > memory/4/(100<<10)+1 {
		t.Errorf("answers of 100 kB: %d under way, want at most %d", got, memory/4/(100<<10)+1)
	}
	for range 300 {
		a.answer(10)
	}
	if got, want := len(a.flying), memory/4/leastAnswer+1; got < want {
		t.Errorf("answers of 10 bytes: %d under way, want %d", got, want)
	}
	before := len(a.flying)
	a.answer(100 << 10)
	for range 5 {
		a.answer(10)
	}
	if got, want := len(a.flying), before-6; got != want {
		t.Errorf("a large answer and five small ones later %d are under way, want %d: others may be as large", got, want)
	}
}

// Before the first answer few invocations are under way, since all of them may lead to large ones: soon more when answers are small,
// and slowly more when none comes.
func TestFirstAnswers(t *testing.T) {
	const memory = 256 << 20
	endpoint := Endpoint{Window: 1000}
	a := newAnswering(memory, endpoint)
	a.messages(900)
	if got, want := len(a.flying), firstAnswers+1; got != want {
		t.Errorf("%d under way before the first answer, want %d", got, want)
	}
	for range 3 * firstAnswers {
		a.answer(10)
	}
	if got, want := len(a.flying), 20*firstAnswers; got < want {
		t.Errorf("%d under way after %d small answers, want at least %d", got, 3*firstAnswers, want)
	}

	a = newAnswering(memory, endpoint, endpoint)
	a.step(Records{Messages: []*Message{{Target: Address{Type: "g/b", ID: "1"}}, {Target: Address{Type: "g/b", ID: "1"}}}})
	for i := range Millis(60) { // the other one hangs, and this one is idle
		a.step(Tick{Now: 2000 + 1000*i})
	}
	a.flying = nil
	a.messages(900)
	if got, want := len(a.flying), firstAnswers+1; got != want {
		t.Errorf("%d under way before the first answer of an endpoint that was idle, want %d", got, want)
	}
	for i := range Millis(20) { // all of the first ones hang
		a.step(Tick{Now: 70_000 + 1000*i})
	}
	if got, want := len(a.flying), 40*firstAnswers; got < want {
		t.Errorf("%d under way after 20 s without an answer, want at least %d", got, want)
	}
}
