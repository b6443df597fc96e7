package node

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

// answering is a Caller whose function answers every try with the same response.
type answering struct {
	gen  *generation
	resp *core.Response
}

func (a *answering) Submit(tries []*core.Invocation) {
	var results []core.Result
	for _, inv := range tries {
		results = append(results, core.Result{Invocation: inv, Outcome: core.Outcome{Response: a.resp}})
	}
	a.gen.deliver(results)
}

func (a *answering) Close() {}

// idWith is an id whose shard, of two, is the one asked for.
func idWith(sharding core.Sharding, shard core.ShardID) string {
	for i := 0; ; i++ {
		id := strconv.Itoa(i)
		if sharding.Of(core.Address{Type: "f/a", ID: id}.Hash()) == shard {
			return id
		}
	}
}

// More delayed messages than one step fires come due together, for another worker, and nothing else happens: the alarm for the rest rings
// in the same millisecond as the first.
func TestDelayedMessagesDueTogetherAllFire(t *testing.T) {
	const due = 1000
	sharding, err := core.NewSharding(2)
	if err != nil {
		t.Fatal(err)
	}
	served := func(core.FunctionType) (core.EndpointID, bool) { return 0, true }
	n := &Node{cfg: Config{Parts: Parts{Endpoints: []Endpoint{{}}, EndpointOf: served}}}
	g := &generation{
		node: n, clock: newClock(0), owners: []core.WorkerID{0, 1},
		coordinator: &coordinatorLoop{wake: make(chan struct{}, 1)},
	}
	resp := &core.Response{}
	for range due {
		target := core.Address{Type: "f/b", ID: idWith(sharding, 1)}
		resp.Delayed = append(resp.Delayed, core.Delayed{Delay: 20, Target: target})
	}
	g.callers = []Caller{&answering{gen: g, resp: resp}}
	w, err := core.NewWorker(core.WorkerConfig{
		Nodes: []core.NodeID{0}, Sharding: sharding, Owners: g.owners,
		App: &core.Application{Endpoints: []core.Endpoint{{}}, EndpointOf: served},
	})
	if err != nil {
		t.Fatal(err)
	}
	other := &workerLoop{id: 1, inbox: newInbox()}
	g.workers = []*workerLoop{newWorkerLoop(g, w, 0), other}
	ctx, cancel := context.WithCancel(t.Context())
	g.goTask(func() { g.workers[0].run(ctx) })
	defer g.tasks.Wait()
	defer cancel()
	g.workers[0].inbox.put(
		core.ShardRestored{Shard: 0, Empty: true},
		core.Records{Messages: []*core.Message{{Target: core.Address{Type: "f/a", ID: idWith(sharding, 0)}}}},
	)
	fired := 0
	for end := time.Now().Add(10 * time.Second); fired < due; time.Sleep(time.Millisecond) {
		for _, ev := range other.inbox.take(nil) {
			fired += len(ev.(*core.Frame).Messages)
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d delayed messages fired", fired, due)
		}
	}
}

// The coordinator asked for an alarm, and performing its other effects took longer than until then.
func TestCoordinatorDoesNotSleepThroughItsAlarm(t *testing.T) {
	g := &generation{clock: newClock(0)}
	c := &coordinatorLoop{gen: g, wake: make(chan struct{}, 1)}
	began := time.Now()
	c.wait(t.Context(), g.now()-1, time.Minute)
	if took := time.Since(began); took > 10*time.Second {
		t.Fatalf("it slept for %s", took)
	}
}
