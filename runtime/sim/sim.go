package sim

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"strings"

	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

// Sim is a cluster, its surroundings and its past.
type Sim struct {
	seed    uint64
	rng     *rand.Rand
	profile profile

	now      int64 // µs since the beginning
	jumped   int64 // µs by which all clocks jumped
	queue    queue
	order    uint64
	steps    int
	faulting bool
	leaping  bool  // it has drained once: nobody adds work
	active   int64 // when something happened last
	counts   Counts
	trace    trace

	bucket   *membucket.Bucket
	code     [endpoints]*deployment
	outage   int64            // until when the bucket is out
	noEgress int64            // until when the egresses are
	noGroups int64            // until when servers have lost the group protocol
	broken   [endpoints]int64 // until when everything fails
	machines []*machine
	cuts     [][]bool // by machine
	procs    []*process
	byNonce  map[uint64]*process
	sharding core.Sharding
	app      *core.Application

	model   *model
	sources []*source
	stream  *stream // nil if none is read
	clients []*client
	world   *world
	log     *slog.Logger
}

// Result is what a run was like.
type Result struct {
	Seed    uint64
	Steps   int
	Hash    uint64 // of all that happened
	Counts  Counts
	Commits int
	Tries   int
	Failure string // empty if all was well
	Tail    string // the last events before the failure
}

// minSteps is how many events a run has at least while things go wrong.
const minSteps = 9000

const start = int64(1_700_000_000_000) * 1000 // µs: what the clocks show when a run begins

// failure is panicked with when something is wrong.
type failure struct{ text string }

func (s *Sim) fail(format string, args ...any) {
	panic(failure{fmt.Sprintf(format, args...)})
}

// Run runs a seed.
func Run(seed uint64) (r Result) {
	s := newSim(seed)
	r.Seed = seed
	defer func() {
		if what := recover(); what != nil {
			f, ok := what.(failure)
			if !ok {
				f.text = panicText(what)
			}
			r.Failure, r.Tail = f.text, s.trace.tail()
		}
		r.Steps, r.Hash, r.Counts = s.steps, s.trace.hash.Sum64(), s.counts
		r.Commits, r.Tries = len(s.model.commits), len(s.model.tries)
	}()
	s.run()
	return r
}

func newSim(seed uint64) *Sim {
	s := &Sim{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 0x5ca1ab1e)), //nolint:gosec // a simulation repeats
		faulting: true, bucket: &membucket.Bucket{}, byNonce: map[uint64]*process{},
		log: slog.New(slog.DiscardHandler),
	}
	s.trace.hash = fnv.New64a()
	s.drawProfile()
	s.build()
	return s
}

// run lets the cluster work while things go wrong, then drain, and judges.
func (s *Sim) run() {
	for _, m := range s.machines {
		s.startProcess(m)
	}
	if !s.profile.calm {
		s.after(s.spread(s.profile.nemesis), s.nemesis)
	}
	s.after(operatorEvery, s.operate)
	s.wave()
	for s.steps < minSteps {
		s.runFor(s.spread(60_000))
		if s.sourcesDone() && s.backlog() < mostBacklog {
			s.wave()
		}
	}
	s.calm()
	s.drain()
	s.judge()
}

const mostBacklog = 64 << 10 // bytes of waiting messages beyond which no work is added

// backlog is how many bytes of messages wait, as far as is known.
func (s *Sim) backlog() (n int64) {
	for _, m := range s.machines {
		if m.proc == nil || m.proc.gen == nil {
			continue
		}
		for _, w := range m.proc.gen.workers {
			gs := w.core.Gauges()
			n += gs.MailBytes + gs.DiskBytes
		}
	}
	return n
}

// calm ends all faults.
func (s *Sim) calm() {
	s.note("calm", 0, 0)
	s.faulting, s.active = false, s.now
	s.outage, s.noEgress, s.noGroups, s.broken = 0, 0, 0, [endpoints]int64{}
	for _, m := range s.machines {
		m.disk.Fault(nil)
	}
	for a := range s.machines {
		for b := range a {
			if s.cuts[a][b] {
				s.heal(a, b)
			}
		}
	}
}

const (
	stillWithin = 30_000_000 // µs without anything happening, after which a calm cluster that is not drained is stuck
	quietFor    = 2_500_000  // µs without anything happening, for a cluster to count as drained
)

// drain waits until everything has been done, and leaps in time, for delayed messages set others, until nothing comes of that twice.
func (s *Sim) drain() {
	leapt := int64(-1)
	for idle := 0; idle < 2; {
		if s.now-s.active > stillWithin {
			s.fail("the cluster does not drain: %s", s.stuck())
		}
		s.runFor(500_000)
		if s.drained() && s.now-s.active > quietFor {
			if idle++; s.active != leapt {
				idle = 0
			}
			s.leaping = true
			s.jump(int64(longestDelay+1000) * 1000) // delayed messages that are left fire now
			s.active, leapt = s.now, s.now
		}
	}
}

// clock is what a clock shows that is not behind.
func (s *Sim) clock() core.Millis { return core.Millis((start + s.now + s.jumped) / 1000) }

// jump moves all clocks forward, by µs.
func (s *Sim) jump(by int64) {
	s.jumped += by
	s.note("clocks jump", uint64(by), 0) //nolint:gosec // not negative
	for _, p := range s.procs {
		if p.alive && p.gen != nil {
			for _, w := range p.gen.workers {
				w.poke()
			}
		}
	}
}

// event is something that happens at a time.
type event struct {
	at    int64
	order uint64
	f     func()
}

type queue []event

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || (q[i].at == q[j].at && q[i].order < q[j].order)
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *queue) Push(x any) { *q = append(*q, x.(event)) }

func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}

func (s *Sim) at(at int64, f func()) {
	s.order++
	heap.Push(&s.queue, event{max(at, s.now), s.order, f})
}

func (s *Sim) after(pause int64, f func()) { s.at(s.now+pause, f) }

// spread draws around a mean, in µs: mostly near, at times far.
func (s *Sim) spread(mean int64) int64 {
	d := s.rng.Int64N(2*mean + 1)
	if s.rng.IntN(32) == 0 {
		d *= 8
	}
	return d
}

const maxSteps = 400_000

// runFor runs what happens within the next µs.
func (s *Sim) runFor(span int64) {
	end := s.now + span
	for len(s.queue) > 0 && s.queue[0].at <= end {
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		s.steps++
		if s.steps > maxSteps {
			s.fail("more than %d events: the cluster spins: %s", maxSteps, s.stuck())
		}
		e.f()
	}
	s.now = end
}

// trace keeps the last things that happened, and a hash of all.
type trace struct {
	lines [traceLines]traceLine
	n     int
	hash  interface {
		Write([]byte) (int, error)
		Sum64() uint64
	}
}

const traceLines = 400

type traceLine struct {
	at   int64
	what string
	a, b uint64
}

func (s *Sim) note(what string, a, b uint64) {
	t := &s.trace
	t.lines[t.n%traceLines] = traceLine{s.now, what, a, b}
	t.n++
	var buf [24]byte
	for i := range 8 {
		buf[i], buf[8+i], buf[16+i] = byte(s.now>>(8*i)), byte(a>>(8*i)), byte(b>>(8*i)) //nolint:gosec // bytes of numbers
	}
	_, _ = t.hash.Write(buf[:])
	_, _ = t.hash.Write([]byte(what))
}

func (t *trace) tail() string {
	var b strings.Builder
	for i := max(0, t.n-traceLines); i < t.n; i++ {
		l := t.lines[i%traceLines]
		fmt.Fprintf(&b, "%10.3f ms  %-40s %d %d\n", float64(l.at)/1000, l.what, l.a, l.b)
	}
	return b.String()
}
