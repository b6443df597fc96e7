package core

import (
	"fmt"
	"testing"
)

// fairDriver answers tries in the order in which they began, and counts them.
type fairDriver struct {
	t      *testing.T
	w      *Worker
	flying []*Invocation
	began  map[Address]int // how often a try of it began
	tries  int
	out    []Effect
}

// newFairDriver makes a worker with a small window and nothing in its store.
func newFairDriver(t *testing.T, e Endpoint) *fairDriver {
	w := must(NewWorker(WorkerConfig{
		Generation: 1, Sharding: must(NewSharding(1)), Nodes: []NodeID{0}, Owners: []WorkerID{0}, Now: 1000, Memory: 4 << 30,
		App: &Application{Endpoints: []Endpoint{e}, EndpointOf: func(FunctionType) (EndpointID, bool) { return 0, true }},
	}))
	d := &fairDriver{t: t, w: w, began: map[Address]int{}}
	d.step(ShardRestored{Empty: true})
	return d
}

func (d *fairDriver) step(ev Event) {
	d.out = d.w.Step(ev, d.out[:0])
	for _, e := range d.out {
		if inv, ok := e.(*Invocation); ok {
			d.flying = append(d.flying, inv)
			d.began[inv.Target]++
			d.tries++
		}
	}
}

func (d *fairDriver) send(to ...Address) {
	messages := make([]*Message, 0, len(to))
	for _, a := range to {
		messages = append(messages, &Message{Target: a, Arg: Value("x")})
	}
	d.step(Records{Partition: 1, Messages: messages})
}

// answer has so many tries end, one after the other.
func (d *fairDriver) answer(n int) {
	for ; n > 0 && len(d.flying) > 0; n-- {
		inv := d.flying[0]
		d.flying = d.flying[1:]
		d.step(Results{Results: []Result{{Invocation: inv, Outcome: Outcome{Response: &Response{}}}}})
	}
}

func fairAddresses(t FunctionType, n int) []Address {
	all := make([]Address, 0, n)
	for i := range n {
		all = append(all, Address{Type: t, ID: fmt.Sprint(i)})
	}
	return all
}

// A function type with one Address waits for no more than one try of each other type, however many Addresses they have ready.
func TestFairAmongFunctionTypes(t *testing.T) {
	for _, types := range []int{1, 50} {
		d := newFairDriver(t, Endpoint{Window: 16})
		for i := range types {
			d.send(fairAddresses(FunctionType(fmt.Sprint("many/", i)), 100_000/types)...)
		}
		d.answer(100)
		for i := range 20 {
			one := Address{Type: FunctionType(fmt.Sprint("few/", i)), ID: "x"}
			d.send(one)
			before := d.tries
			for d.began[one] == 0 && d.tries < before+1000 {
				d.answer(1)
			}
			if waited := d.tries - before; waited > types+1 {
				t.Errorf("%d types with 100,000 ready Addresses: the only one of another waited for %d tries", types, waited)
			}
		}
	}
}

// An Address waits for no more than one try of each that is ready before it, however many messages these have.
func TestFairAmongAddresses(t *testing.T) {
	d := newFairDriver(t, Endpoint{Window: 4, MaxBatch: 1})
	hot, others := Address{Type: "f/g", ID: "hot"}, fairAddresses("f/g", 500)
	for range 5000 {
		d.send(hot)
	}
	for range 5 {
		d.send(others...)
	}
	for round := 1; round <= 5; round++ {
		d.answer(len(others) + 1)
		for _, a := range others {
			if n := d.began[a]; n < round-1 || n > round+1 {
				t.Fatalf("after %d rounds, %s was tried %d times", round, a, n)
			}
		}
		if n := d.began[hot]; n < round || n > round+5 {
			t.Fatalf("after %d rounds, the Address with 5,000 messages was tried %d times", round, n)
		}
	}
}

// What is tried again alone takes turns with what is fresh: a function that fails for all keeps no other of its endpoint out.
func TestGroupsFairToFreshItems(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{StartAt: 1, Concurrency: 1})
	var failing []*Invocation
	for i := range 500 {
		inv := groupItem(i)
		inv.Alone = true
		failing = append(failing, inv)
	}
	r.submit(failing...)
	fresh := groupItem(1000)
	r.submit(fresh)
	for r.delivered[fresh].Response == nil && len(r.sent) < 100 {
		r.run(5)
	}
	if len(r.sent) > 4 {
		t.Errorf("a fresh item came after %d others that were tried again", len(r.sent)-1)
	}
	r.run(10_000)
	r.allOK()
}
