package core

import (
	"fmt"
	"testing"
	"time"
)

// typesCommand sends a message to one Address each of so many types (strangers FROM THROUGH), f/s1, f/s2 and so on, and answers it, with set=NAME:VALUE
// by a change of a state; or tells what the worker knows of types (types).
func (s *workerScript) typesCommand(c command) {
	if c.name == "types" {
		named, all, other := 0, uint64(0), uint64(0)
		s.w.EachType(func(name FunctionType, st TypeStats) {
			if all += st.Invocations; name == OtherTypes {
				other = st.Invocations
				return
			}
			named++
		})
		s.printf("known=%d counted=%d invocations=%d other=%d", len(s.w.known), named, all, other)
		return
	}
	for i := number(c.word(0)); i <= number(c.word(1)); i++ {
		a := fmt.Sprintf("f/s%d/id", i)
		s.step(Records{Messages: scriptMessages([]string{a + ":x"})})
		s.run(command{name: "ok", words: []string{a}})
	}
}

// Thousands of types with ready Addresses, whose endpoint has no room, do not slow a step down.
func TestReadyTypesCostNothing(t *testing.T) {
	few, many := stepsWithReadyTypes(t, 10), stepsWithReadyTypes(t, 20_000)
	if many > 200*few { // a step that looked at every type would take thousands of times as long
		t.Errorf("steps take %v with 20,000 ready types, %v with 10", many, few)
	}
}

// stepsWithReadyTypes is how long a number of steps take while so many types have an Address that is ready.
func stepsWithReadyTypes(t *testing.T, types int) time.Duration {
	t.Helper()
	w := must(NewWorker(WorkerConfig{
		Nodes: make([]NodeID, 1), Sharding: must(NewSharding(1)), Owners: make([]WorkerID, 1), Memory: 1 << 30,
		App: &Application{Endpoints: []Endpoint{{Window: 1}}, EndpointOf: func(FunctionType) (EndpointID, bool) { return 0, true }},
	}))
	w.Step(ShardRestored{Empty: true}, nil)
	for i := range types {
		to := Address{Type: FunctionType(fmt.Sprintf("f/s%d", i)), ID: fmt.Sprint(i)}
		w.Step(Records{Messages: []*Message{{Target: to}}}, nil)
	}
	if got := w.Gauges().Ready; got != types-1 {
		t.Fatalf("%d Addresses are ready, want %d", got, types-1)
	}
	const steps = 900 // less than a second of the core's time: then it looks at all that waits
	start := time.Now()
	for i := range steps {
		w.Step(Tick{Now: Millis(i)}, nil)
	}
	return time.Since(start)
}
