package kinesis_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/kinesis"
)

// plan is one random run.
type plan struct {
	seed      uint64
	shards    int
	keys      int
	records   int // of each lane
	lanes     int
	window    int
	explicit  bool
	aggregate bool
	linger    time.Duration
	calls     int
	rate      int
	splits    []int // after so many records
	faults    faults
}

func drawPlan(t *rapid.T) plan {
	chance := func(name string) float64 { return rapid.SampledFrom([]float64{0, 0, 0.05, 0.3, 0.6}).Draw(t, name) }
	return plan{
		seed:      rapid.Uint64().Draw(t, "seed"),
		shards:    rapid.IntRange(1, 5).Draw(t, "shards"),
		keys:      rapid.IntRange(1, 12).Draw(t, "keys"),
		records:   rapid.IntRange(1, 150).Draw(t, "records"),
		lanes:     rapid.IntRange(1, 3).Draw(t, "lanes"),
		window:    rapid.SampledFrom([]int{1, 7, 1000}).Draw(t, "window"),
		explicit:  rapid.Bool().Draw(t, "explicit hash keys"),
		aggregate: rapid.Bool().Draw(t, "aggregates"),
		linger:    rapid.SampledFrom([]time.Duration{0, 0, 3 * time.Millisecond}).Draw(t, "linger"),
		calls:     rapid.SampledFrom([]int{1, 2, 16}).Draw(t, "calls"),
		rate:      rapid.SampledFrom([]int{0, 50}).Draw(t, "rate"),
		splits:    rapid.SliceOfN(rapid.IntRange(0, 150), 0, 4).Draw(t, "splits"),
		faults: faults{
			throttle: chance("throttle"), internal: chance("internal"), reset: chance("reset"), lose: chance("lose"), ghost: chance("ghost"),
			list: chance("list"), latency: rapid.SampledFrom([]time.Duration{0, time.Millisecond, 20 * time.Millisecond}).Draw(t, "latency"),
		},
	}
}

func (p plan) options(f *fake) kinesis.Options {
	o := options(f)
	o.Lanes, o.Records, o.Aggregate, o.AggregateBytes, o.Linger = p.lanes, p.window, p.aggregate, 1024, p.linger
	o.Calls, o.RateLimit, o.CallTimeout = p.calls, p.rate, time.Second
	o.Random = f.random
	return o
}

func (f *fake) random() float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rnd.Float64()
}

// record makes the i-th record of a lane. Keys belong to one lane, as Addresses belong to one worker.
func (p plan) record(t testing.TB, lane, i int) (key string, r egress.Record) {
	key = fmt.Sprintf("lane%d-key%d", lane, (i*i+i/3)%p.keys)
	explicit := ""
	if p.explicit && len(key)%2 == 0 {
		explicit = bigHash("x"+key, "").String()
	}
	r = record(t, "s", key, explicit, key+"#"+strconv.Itoa(i))
	r.Shard, r.Key, r.Generation = core.ShardID(lane), core.OutboxKey{Epoch: 1, Seq: core.Seq(i + 1)}, 1 //nolint:gosec // small
	return key, r
}

// checkOrder checks that what the stream shows first of each record is all there is, in order for each key.
func (p plan) checkOrder(t testing.TB, users []user) {
	t.Helper()
	got := map[string][]int{}
	for _, u := range users {
		key, number, _ := strings.Cut(u.data, "#")
		i, err := strconv.Atoi(number)
		if err != nil || key != u.key {
			t.Errorf("record %q has key %s", u.data, u.key)
		}
		if !slices.Contains(got[key], i) {
			got[key] = append(got[key], i)
		}
	}
	total := 0
	for key, numbers := range got {
		total += len(numbers)
		if !slices.IsSorted(numbers) {
			t.Errorf("key %s: %v", key, numbers)
		}
	}
	if want := p.lanes * p.records; total != want {
		t.Errorf("%d records in the stream, %d sent", total, want)
	}
}

// Whatever fails, nothing is lost, and no record of a key is overtaken.
func TestEmitterKeepsOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		if !inBubble(t, p.runEmitter) {
			rt.Fatalf("with %+v", p)
		}
	})
}

// inBubble runs f in virtual time and reports whether it passed.
func inBubble(t *testing.T, f func(t *testing.T)) bool {
	return t.Run("run", func(t *testing.T) { synctest.Test(t, f) })
}

func (p plan) runEmitter(t *testing.T) {
	f := newFake(p.seed)
	f.create("s", p.shards)
	f.faults = p.faults
	e, err := kinesis.OpenEmitter(p.options(f))
	if err != nil {
		t.Fatal(err)
	}
	var lanes sync.WaitGroup
	for lane := range p.lanes {
		lanes.Go(func() { p.emitLane(t, f, e, lane) })
	}
	lanes.Wait()
	for _, s := range e.Stats() {
		if want := uint64(p.lanes * p.records); s.Records != want || s.Waiting != 0 || s.Open != 0 || s.Shards > 0 && s.Shards < p.shards { //nolint:gosec // small
			t.Errorf("stats %+v", s)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	checkRules(t, f)
	p.checkOrder(t, f.users("s"))
}

// emitLane emits all records of a lane and waits until they are done.
func (p plan) emitLane(t *testing.T, f *fake, e *kinesis.Emitter, lane int) {
	var recs []egress.Record
	for i := range p.records {
		_, r := p.record(t, lane, i)
		recs = append(recs, r)
	}
	var mu sync.Mutex
	done := make([]int, len(recs))
	more := make(chan struct{}, 1)
	left := len(recs)
	for base, part := 0, 1; base < len(recs); part = part%17 + 5 {
		if lane == 0 {
			for _, at := range p.splits {
				if at >= base && at < base+part {
					f.split("s", at)
				}
			}
		}
		batch := recs[base:min(base+part, len(recs))]
		from := base
		n := e.Emit(lane, batch, func(a, b int, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("done: %v", err)
			}
			for i := a; i < b; i++ {
				done[from+i]++
				left--
			}
			select {
			case more <- struct{}{}:
			default:
			}
		})
		if base += n; n == 0 {
			<-more
		}
	}
	for {
		mu.Lock()
		over := left == 0
		mu.Unlock()
		if over {
			break
		}
		<-more
	}
	for i, n := range done {
		if n != 1 {
			t.Errorf("record %d is done %d times", i, n)
		}
	}
}

// Checkpoint after checkpoint goes out, with errors and restarts in between. A reader that drops repeats has each record once, in order.
func TestPublisherKeepsOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		p.lanes = 1
		ends := rapid.SliceOfN(rapid.IntRange(1, 40), 1, 20).Draw(rt, "checkpoints")
		limits := rapid.SliceOfN(rapid.SampledFrom([]time.Duration{time.Millisecond, 30 * time.Millisecond, time.Hour}), 1, 5).Draw(rt, "limits of a try")
		restarts := rapid.Bool().Draw(rt, "a new process after an error")
		if !inBubble(t, func(t *testing.T) { p.runPublisher(t, ends, limits, restarts) }) {
			rt.Fatalf("with %+v, checkpoints %v, limits %v, restarts %v", p, ends, limits, restarts)
		}
	})
}

func (p plan) runPublisher(t *testing.T, sizes []int, limits []time.Duration, restarts bool) {
	f := newFake(p.seed)
	f.create("s", p.shards)
	f.faults = p.faults
	open := func() *kinesis.Publisher {
		out, err := kinesis.OpenPublisher(p.options(f))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := out.Published(t.Context(), 0); err != nil || n != 0 {
			t.Fatalf("published %d, %v", n, err)
		}
		return out
	}
	out, sent := open(), 0
	for n, size := range sizes {
		var recs []egress.Record
		for range size {
			_, r := p.record(t, 0, sent)
			recs = append(recs, r)
			sent++
		}
		if n%3 == 1 {
			f.split("s", n)
		}
		for try := 0; ; try++ {
			err := p.try(t, out, core.CheckpointID(n+1), recs, limits, try) //nolint:gosec // small
			if err == nil {
				break
			}
			if restarts {
				if err := out.Close(); err != nil {
					t.Fatal(err)
				}
				out = open()
			} else if _, err := out.Published(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	checkRules(t, f)
	p.records = sent
	var first []user
	for _, text := range firstOfEachID(t, f.users("s")) {
		key, _, _ := strings.Cut(text, "#")
		first = append(first, user{key: key, data: text})
	}
	p.checkOrder(t, first)
}

// try publishes with a limit, which is longer after many tries.
func (plan) try(t *testing.T, out *kinesis.Publisher, n core.CheckpointID, recs []egress.Record, limits []time.Duration, try int) error {
	limit := limits[try%len(limits)]
	if try > 10 {
		limit = time.Hour
	}
	ctx, cancel := contextWithLimit(t, limit)
	defer cancel()
	return out.Publish(ctx, 0, n, recs)
}
