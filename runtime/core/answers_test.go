package core

import (
	"fmt"
	"testing"
)

// When answers are large, no more invocations are under way than a quarter of the memory holds answers; when they are small again, as many as
// the window.
func TestLargeAnswersUnderWay(t *testing.T) {
	const memory, window = 4 << 20, 200
	w := must(NewWorker(WorkerConfig{
		Nodes: make([]NodeID, 1), Sharding: must(NewSharding(1)), Owners: make([]WorkerID, 1), Memory: memory,
		App: &Application{
			Endpoints: []Endpoint{{Window: window}}, EndpointOf: func(FunctionType) (EndpointID, bool) { return 0, true },
			Egresses: []Egress{{Name: "out/now"}},
		},
	}))
	w.Step(ShardRestored{Empty: true}, nil)
	var flying []*Invocation
	var step func(ev Event)
	step = func(ev Event) {
		for _, e := range w.Step(ev, nil) {
			switch e := e.(type) {
			case *Invocation:
				flying = append(flying, e)
			case Emit:
				step(EgressDone{Records: e.Records})
			}
		}
	}
	answer := func(size int) {
		inv := flying[0]
		flying = flying[1:]
		resp := &Response{Egresses: []EgressRecord{{Egress: "out/now", Arg: make(Value, size)}}}
		step(Results{Results: []Result{{Invocation: inv, Outcome: Outcome{Response: resp}}}})
	}
	for i := range 900 {
		step(Records{Messages: []*Message{{Target: Address{Type: "f/a", ID: fmt.Sprint(i)}}}})
	}
	for range 300 {
		answer(100 << 10)
	}
	if got := w.Gauges().InFlight; got == 0 || got > memory/4/(100<<10)+1 {
		t.Errorf("answers of 100 kB: %d under way, want at most %d", got, memory/4/(100<<10)+1)
	}
	for range 300 {
		answer(10)
	}
	if got, want := w.Gauges().InFlight, memory/4/leastAnswer+1; got < want {
		t.Errorf("answers of 10 bytes: %d under way, want %d", got, want)
	}
}
