package core

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"weak"
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

// An invocation that stays in use, as of a function that hangs, keeps a few instances in memory, and none of those that are evicted after it.
func TestEvictedInstancesAreLetGo(t *testing.T) {
	for _, size := range []int{0, 2 * pieceSize} {
		served := func(FunctionType) (EndpointID, bool) { return 0, true }
		w := must(NewWorker(WorkerConfig{
			Nodes: make([]NodeID, 1), Sharding: must(NewSharding(1)), Owners: make([]WorkerID, 1), Memory: 4 << 20,
			App: &Application{Endpoints: []Endpoint{{Window: 1000}}, EndpointOf: served},
		}))
		w.Step(ShardRestored{Empty: true}, nil)
		var made []weak.Pointer[instance]
		var hanging []*Invocation
		perform := func(effects []Effect) {
			for len(effects) > 0 {
				var results Results
				var next []Effect
				for _, e := range effects {
					switch e := e.(type) {
					case *Invocation:
						if made = append(made, weak.Make(e.inst)); len(made)%5000 == 10 {
							hanging = append(hanging, e)
							continue
						}
						results.Results = append(results.Results, Result{Invocation: e, Outcome: Outcome{Response: &Response{}}})
					case LoadAddress:
						next = w.Step(AddressLoaded{Shard: e.Shard, Address: e.Address}, next)
					case ReadBacklog:
						next = w.Step(BacklogRead{Shard: e.Shard}, next)
					case Apply:
						e.Overlay.Release()
						next = w.Step(Applied{Shard: e.Overlay.Shard, Checkpoint: e.Overlay.Epoch.Checkpoint()}, next)
					}
				}
				if len(results.Results) > 0 {
					next = w.Step(results, next)
				}
				effects = next
			}
		}
		arg := make(Value, size)
		for n := CheckpointID(1); n <= 12; n++ {
			for range 100 {
				var r Records
				for i := range 50 {
					m := &Message{Target: Address{Type: "f/a", ID: fmt.Sprint(len(made), i)}, Arg: arg}
					if len(made) == 0 && i < 3 { // so that small ones begin a piece of memory
						m.Arg = nil
					}
					r.Messages = append(r.Messages, m)
				}
				perform(w.Step(r, nil))
			}
			perform(w.Step(Begin{n}, nil))
			perform(w.Step(EndOfEpoch{Epoch: Epoch(n)}, nil))
			perform(w.Step(Committed{n}, nil))
		}
		runtime.GC()
		runtime.GC()
		alive := 0
		for _, p := range made {
			if p.Value() != nil {
				alive++
			}
		}
		if most := w.Gauges().Instances + atOnce*(len(hanging)+1); alive > most || len(made) < 4*most {
			t.Errorf("arguments of %d bytes: of %d instances %d are in use, want %d at most; %d tries hang", size, len(made), alive, most, len(hanging))
		}
		runtime.KeepAlive(hanging)
		runtime.KeepAlive(w)
	}
}
