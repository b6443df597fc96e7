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
	const types = 50_000
	w := must(NewWorker(WorkerConfig{
		Nodes: make([]NodeID, 1), Sharding: must(NewSharding(1)), Owners: make([]WorkerID, 1), Memory: 1 << 30,
		App: &Application{Endpoints: []Endpoint{{Window: 1}}, EndpointOf: func(FunctionType) (EndpointID, bool) { return 0, true }},
	}))
	w.Step(ShardRestored{Empty: true}, nil)
	for i := range types {
		w.Step(Records{Messages: []*Message{{Target: Address{Type: FunctionType(fmt.Sprintf("f/s%d", i)), ID: "1"}}}}, nil)
	}
	if got := w.Gauges().Ready; got != types-1 {
		t.Fatalf("%d Addresses are ready, want %d", got, types-1)
	}
	start := time.Now()
	for i := range 10_000 {
		w.Step(Tick{Now: Millis(i)}, nil)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("10,000 steps took %v", took)
	}
}
