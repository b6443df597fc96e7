package core

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const benchAddresses = 100_000

// benchWorker is a worker with 64 shards whose functions all have a state, and its stores, which take rows and are never read.
func benchWorker(b *testing.B) *benchDriver {
	const shards = 64
	cfg := WorkerConfig{
		Generation: 1, Sharding: must(NewSharding(shards)), Nodes: []NodeID{0}, Owners: make([]WorkerID, shards),
		Memory: 16 << 30, Now: 1000, App: &Application{
			Endpoints:  []Endpoint{{Name: "bench", Window: 1 << 20}},
			Egresses:   []Egress{{Name: "out/now"}},
			EndpointOf: func(FunctionType) (EndpointID, bool) { return 0, true },
		},
	}
	d := &benchDriver{w: must(NewWorker(cfg)), addresses: make([]Address, benchAddresses)}
	for i := range cfg.Owners {
		d.step(ShardRestored{Shard: ShardID(i), Empty: true})
	}
	for i := range d.addresses {
		d.addresses[i] = Address{Type: "bench/counter", ID: fmt.Sprintf("id-%d", i)}
	}
	d.learn(b)
	return d
}

// benchDriver is the least that a node does: it answers tries and acknowledges egress records.
type benchDriver struct {
	w         *Worker
	addresses []Address
	tries     []*Invocation
	emitted   []*OutRecord
	applies   []*Overlay
	out       []Effect
	epoch     CheckpointID
	cuts      []time.Duration
}

func (d *benchDriver) step(ev Event) {
	d.out = d.w.Step(ev, d.out[:0])
	for _, e := range d.out {
		switch e := e.(type) {
		case *Invocation:
			d.tries = append(d.tries, e)
		case Emit:
			d.emitted = append(d.emitted, e.Records...)
		case Apply:
			d.applies = append(d.applies, e.Overlay)
		}
	}
}

// learn makes the state known, as a type's first invocation does.
func (d *benchDriver) learn(b *testing.B) {
	d.records(0, 1)
	missing := []StateSpec{{Name: "count", Typename: "io.statefun.types/long"}}
	d.answer(func(*Invocation) *Response { return &Response{Incomplete: true, Missing: missing} })
	d.answer(d.count)
	if len(d.tries) != 0 {
		b.Fatal("the first invocation goes on")
	}
}

// records brings n messages for the Addresses from first on, made beforehand, as a driver decodes them elsewhere.
func (d *benchDriver) records(first, n int) {
	mail := make([]*Message, n)
	arg := make(Value, 20)
	for i := range mail {
		mail[i] = &Message{Target: d.addresses[(first+i)%benchAddresses], Arg: arg}
	}
	d.step(Records{Partition: 1, Name: "p", Position: []byte("x"), Messages: mail})
}

// answer answers all tries, 64 at a time.
func (d *benchDriver) answer(respond func(*Invocation) *Response) {
	tries := d.tries
	d.tries = nil
	for len(tries) > 0 {
		n := min(64, len(tries))
		results := make([]Result, n)
		for i, inv := range tries[:n] {
			results[i] = Result{Invocation: inv, Outcome: Outcome{Response: respond(inv)}}
		}
		d.step(Results{results})
		tries = tries[n:]
	}
}

// count is a function that counts in its state and sends one egress record.
func (d *benchDriver) count(*Invocation) *Response {
	type memory struct {
		resp      Response
		mutations [1]Mutation
		egresses  [1]EgressRecord
		value     [40]byte
	}
	m := &memory{}
	m.mutations[0] = Mutation{Name: "count", Typename: "io.statefun.types/long", Value: m.value[:]}
	m.egresses[0] = EgressRecord{Egress: "out/now", Typename: "io.statefun.types/long", Arg: m.value[:]}
	m.resp.Mutations, m.resp.Egresses = m.mutations[:], m.egresses[:]
	return &m.resp
}

func (d *benchDriver) acknowledge() {
	d.step(EgressDone{d.emitted})
	clear(d.emitted)
	d.emitted = d.emitted[:0]
}

// checkpoint cuts, commits and applies.
func (d *benchDriver) checkpoint() {
	d.epoch++
	began := time.Now()
	d.step(Begin{d.epoch})
	d.cuts = append(d.cuts, time.Since(began))
	d.step(EndOfEpoch{Epoch: Epoch(d.epoch)})
	d.step(Committed{d.epoch})
	for _, o := range d.applies {
		d.step(Applied{Shard: o.Shard, Checkpoint: o.Epoch.Checkpoint()})
		o.Release()
	}
	d.applies = d.applies[:0]
}

// BenchmarkWorker takes messages for 100,000 Addresses in no order from record to applied answer, each with a change of state and an egress
// record, with a checkpoint every 50,000 messages. An operation is one message.
func BenchmarkWorker(b *testing.B) {
	d := benchWorker(b)
	for first := 0; first < benchAddresses; first += 64 {
		d.records(first, 64)
		d.answer(d.count)
		d.acknowledge()
	}
	d.checkpoint()
	rand.New(rand.NewPCG(1, 2)).Shuffle(benchAddresses, func(i, j int) { // else they lie in memory as they come
		d.addresses[i], d.addresses[j] = d.addresses[j], d.addresses[i]
	})
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 64 {
		d.records(n, 64)
		d.answer(d.count)
		d.acknowledge()
		if n%51200 == 0 {
			d.checkpoint()
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkHotAddress takes messages of one Address, which travel in batches. An operation is one message.
func BenchmarkHotAddress(b *testing.B) {
	d := benchWorker(b)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 64 {
		for range 64 {
			d.records(0, 1)
		}
		for len(d.tries) > 0 {
			d.answer(d.count)
		}
		d.acknowledge()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkCut measures the step that ends an epoch in which 100,000 values changed.
func BenchmarkCut(b *testing.B) {
	d := benchWorker(b)
	for range b.N {
		b.StopTimer()
		d.records(0, benchAddresses)
		d.answer(d.count)
		d.acknowledge()
		b.StartTimer()
		d.checkpoint()
	}
	slices.Sort(d.cuts)
	b.ReportMetric(float64(d.cuts[len(d.cuts)*99/100].Nanoseconds()), "p99-ns/cut")
	b.ReportMetric(float64(d.cuts[len(d.cuts)/2].Nanoseconds()), "p50-ns/cut")
}
