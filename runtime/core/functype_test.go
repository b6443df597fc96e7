package core

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// A function that declares states without end fails alone: the worker neither compares them all with all nor keeps them.
func TestAFunctionDeclaresAThousandStatesAtMost(t *testing.T) {
	served := func(FunctionType) (EndpointID, bool) { return 0, true }
	w := must(NewWorker(WorkerConfig{
		Nodes: make([]NodeID, 1), Sharding: must(NewSharding(1)), Owners: make([]WorkerID, 1),
		App: &Application{Endpoints: []Endpoint{{}}, EndpointOf: served},
	}))
	w.Step(ShardRestored{Empty: true}, nil)
	try := firstTry(w.Step(Records{Messages: []*Message{{Target: Address{Type: "f/a", ID: "1"}}}}, nil))
	ask := func(from, to int) {
		t.Helper()
		r := &Response{Incomplete: true}
		for i := from; i < to; i++ {
			r.Missing = append(r.Missing, StateSpec{Name: "s" + strconv.Itoa(i), Typename: "t/t"})
		}
		if next := firstTry(w.Step(Results{[]Result{{Invocation: try, Outcome: Outcome{Response: r}}}}, nil)); next != nil {
			try = next
		}
	}
	ask(0, maxStates/2)
	ask(maxStates/2, maxStates)
	if len(try.States) != maxStates {
		t.Fatalf("%d states, want %d", len(try.States), maxStates)
	}
	start := time.Now()
	ask(maxStates, maxStates+200_000)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the worker stood still for %v", took)
	}
	if n := len(w.types["f/a"].specs); n != maxStates {
		t.Errorf("%d states are known, want %d", n, maxStates)
	}
	fail := w.types["f/a"].firstFailure(w)
	if !strings.Contains(fail, "more than 1024 states") {
		t.Errorf("reason %q", fail)
	}
}

func firstTry(effects []Effect) *Invocation {
	for _, e := range effects {
		if inv, ok := e.(*Invocation); ok {
			return inv
		}
	}
	return nil
}

func (t *funcType) firstFailure(w *Worker) string {
	for in := range w.troubled {
		if in.typ == t {
			return in.fail.Reason()
		}
	}
	return ""
}
