package core

import (
	"strconv"
	"testing"
)

// Every message is for another Address, and nothing of it stays: the instances are a cache, which has a bound whatever the number
// of shards and however little there is to write.
func TestInstancesOfPassingAddressesAreEvicted(t *testing.T) {
	served := func(FunctionType) (EndpointID, bool) { return 0, true }
	w := must(NewWorker(WorkerConfig{
		Nodes: make([]NodeID, 1), Sharding: must(NewSharding(1)), Owners: make([]WorkerID, 1), Memory: 4 << 20,
		App: &Application{Endpoints: []Endpoint{{}}, EndpointOf: served},
	}))
	w.Step(ShardRestored{Empty: true}, nil)
	id, most := 0, int64(0)
	for n := CheckpointID(1); n <= 40; n++ {
		for range 100 {
			var r Records
			for range 50 {
				id++
				r.Messages = append(r.Messages, &Message{Target: Address{Type: "f/a", ID: strconv.Itoa(id)}})
			}
			answerAll(w, w.Step(r, nil))
		}
		answerAll(w, w.Step(Begin{n}, nil))
		answerAll(w, w.Step(EndOfEpoch{Epoch: Epoch(n)}, nil))
		answerAll(w, w.Step(Committed{n}, nil))
		most = max(most, w.Gauges().CacheBytes)
	}
	if most > 8<<20 {
		t.Errorf("%d bytes of instances in memory, %d of %d; the budget of all is %d", most, w.Gauges().Instances, id, w.cfg.Memory)
	}
}

// answerAll answers tries at once, without effects.
func answerAll(w *Worker, effects []Effect) {
	for len(effects) > 0 {
		var results Results
		for _, e := range effects {
			if inv, ok := e.(*Invocation); ok {
				results.Results = append(results.Results, Result{Invocation: inv, Outcome: Outcome{Response: &Response{}}})
			}
		}
		if effects = nil; len(results.Results) > 0 {
			effects = w.Step(results, nil)
		}
	}
}
