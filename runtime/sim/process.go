package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

var ctx = context.Background()

const applicationName = "sim"

// machine is a place where processes run one after the other. Its disk outlives them.
type machine struct {
	id    int
	disk  *shard.Memory
	dir   [16]byte // the disk's id
	proc  *process // nil while none runs
	disk0 int      // counts disks
}

// process is one run of the program.
type process struct {
	s     *Sim
	id    int
	m     *machine
	nonce uint64
	alive bool
	bkt   *bucket
	skew  int64 // µs by which its clock is behind

	links map[int]*links
	peers []int // keys of links, in the order in which they were made
	held  []heldParcel

	app    *checkpoint.Application
	set    *shard.Set
	reign  *checkpoint.Reign
	busy   bool // an append's outcome is not known
	again  bool // claim again as soon as it is
	tries  int  // counts seeks, so that what an older one left behind does nothing
	hellos []*process
	gen    *generation
	groups [endpoints]*grouped // the last ones
	newest core.Generation     // that it has begun
	lead   *coordinator        // of gen, if this process leads
	leader *process            // of gen, or to which it said hello
	heard  int64               // when the leader was last reached
}

func (s *Sim) startProcess(m *machine) {
	p := &process{
		s: s, id: len(s.procs), m: m, nonce: s.rng.Uint64(), alive: true,
		links: map[int]*links{}, skew: s.rng.Int64N(20_000), heard: s.now,
	}
	p.bkt = &bucket{s, p}
	m.proc = p
	s.procs = append(s.procs, p)
	s.byNonce[p.nonce] = p
	s.note("start process", uint64(p.id), uint64(m.id)) //nolint:gosec // small
	p.later(p.s.spread(20_000), p.boot)
	p.later(s.profile.lease/2, p.watch)
}

// later runs f after a pause, unless the process is dead by then.
func (p *process) later(pause int64, f func()) {
	p.s.after(pause, func() {
		if p.alive {
			f()
		}
	})
}

// now is what the process's clock shows.
func (p *process) now() core.Millis {
	return core.Millis((start + p.s.now + p.s.jumped - p.skew) / 1000)
}

// crash ends the process at once. What its disk keeps beyond what was flushed is drawn.
func (p *process) crash(why string) {
	if !p.alive {
		return
	}
	p.s.note("crash: "+why, uint64(p.id), uint64(p.m.id)) //nolint:gosec // small
	p.stopGeneration()
	p.alive = false
	p.m.proc = nil
	p.m.disk.Fault(nil)
	late := p.s.rng.Uint64() // a bit for each shard: the disk asks in any order
	p.m.disk.Crash(func(id core.ShardID) bool {
		kept := late>>(id%64)&1 == 1
		if kept {
			p.s.count(LateStore)
		}
		return kept
	})
	p.s.after(p.s.spread(400_000), func() {
		if p.m.proc == nil {
			p.s.startProcess(p.m)
		}
	})
}

// boot opens the disk and the application.
func (p *process) boot() {
	if p.app != nil {
		return
	}
	app, err := checkpoint.CreateApplication(ctx, p.bkt, applicationName, p.s.profile.shards, checkpoint.Options{
		Random: randomBytes{p.s},
		Clock:  func() time.Duration { return time.Duration(p.s.now+p.s.jumped) * time.Microsecond },
	})
	if err != nil {
		p.expect(err)
		p.later(p.s.backoff(), p.boot)
		return
	}
	p.app = app
	p.seek()
}

// expect fails the run unless an error is one of the bucket's that were made to happen.
func (p *process) expect(err error) {
	if !errors.Is(err, errBucket) {
		p.s.fail("process %d: %v", p.id, err)
	}
}

// randomBytes draws from the simulation.
type randomBytes struct{ s *Sim }

func (r randomBytes) Read(b []byte) (int, error) {
	for i := 0; i < len(b); i += 8 {
		var word [8]byte
		binary.BigEndian.PutUint64(word[:], r.s.rng.Uint64())
		copy(b[i:], word[:])
	}
	return len(b), nil
}

// seek looks who leads: it joins, waits, or claims.
func (p *process) seek() {
	if p.busy {
		p.again = false
		p.seekAfter(p.s.profile.lease / 4)
		return
	}
	p.tries++
	try := p.tries
	p.leader, p.lead = nil, nil
	p.later(p.s.bucketDelay(), func() {
		if p.tries != try {
			return
		}
		tail, err := p.app.Log().FindTail(ctx, 0)
		if err != nil {
			p.expect(err)
			p.seekAfter(p.s.backoff())
			return
		}
		p.found(tail)
	})
}

// seekAfter looks again after a pause, unless something has come of it until then.
func (p *process) seekAfter(pause int64) {
	try := p.tries
	p.later(pause, func() {
		if p.tries == try {
			p.seek()
		}
	})
}

func nonceOf(t checkpoint.Tail) uint64 {
	switch {
	case t.Entry == nil:
		return 0
	case t.Entry.Claim != nil:
		return t.Entry.Claim.Nonce
	}
	return t.Entry.Manifest.Lineage.Nonce
}

// found decides what to do about the log's tail.
func (p *process) found(tail checkpoint.Tail) {
	last := p.s.byNonce[nonceOf(tail)]
	switch {
	case last == nil || last == p:
		p.claim(tail)
	case p.reaches(last) && last.lead != nil:
		p.hello(last)
	case last.m == p.m:
		p.claim(tail) // it holds the lock of the dead one's disk
	default:
		p.wait(tail)
	}
}

// hello tells a leader that this process is there, and looks again if no generation comes of it.
func (p *process) hello(leader *process) {
	p.leader, p.heard = leader, p.s.now
	p.linkTo(leader).control.send(true, func() { leader.welcome(p) })
	try := p.tries
	p.later(4*p.s.profile.lease, func() {
		if p.tries == try && p.gen == nil {
			p.seek()
		}
	})
}

// wait claims when the log has stood still for a lease time.
func (p *process) wait(tail checkpoint.Tail) {
	try := p.tries
	p.later(p.s.profile.lease, func() {
		if p.tries != try {
			return
		}
		again, err := p.app.Log().FindTail(ctx, tail.Number)
		switch {
		case err != nil:
			p.expect(err)
			p.seekAfter(p.s.backoff())
		case again.Number != tail.Number:
			p.seek()
		default:
			p.claim(again)
		}
	})
}

// claim tries to lead from behind tail on.
func (p *process) claim(tail checkpoint.Tail) {
	p.reign = p.app.Log().NewReign(tail)
	p.appendClaim()
}

func (p *process) appendClaim() {
	e := checkpoint.Entry{Claim: &checkpoint.Claim{Nonce: p.nonce, DataDir: p.m.dir, Time: p.now()}}
	p.append(e, p.won, func() { p.seek() })
}

// append appends to the control log, however often that takes. Exactly one of done and lost is called, unless
// the process dies.
func (p *process) append(e checkpoint.Entry, done func(*checkpoint.Entry), lost func()) {
	r := p.reign
	p.busy = true
	p.s.after(p.s.bucketDelay(), func() {
		if !p.alive {
			if p.s.chance(0.5) { // the request was on its way when the process died
				p.s.count(AppendAfterDeath)
				_, _ = r.Append(ctx, e)
			}
			return
		}
		p.s.note("append", uint64(r.Tail()+1), uint64(p.id)) //nolint:gosec // small
		entry, err := r.Append(ctx, e)
		p.settled(r, e, entry, err, done, lost)
	})
}

func (p *process) settled(r *checkpoint.Reign, e checkpoint.Entry, entry *checkpoint.Entry, err error, done func(*checkpoint.Entry), lost func()) {
	switch {
	case err == nil:
		if e.Manifest != nil && p.s.faulty(p.s.profile.crashAfterAppend) {
			p.s.count(CrashAfterAppend)
			p.crash("after an append")
			return
		}
		p.later(p.s.spread(2_000), func() {
			p.busy = false
			done(entry)
		})
	case errors.Is(err, checkpoint.ErrDeposed):
		p.busy = false
		if e.Manifest != nil {
			p.s.count(ZombieAppend)
		}
		lost()
	case r.Pending():
		p.expect(err)
		p.later(p.s.backoff(), func() {
			entry, err := r.Settle(ctx)
			p.settled(r, e, entry, err, done, lost)
		})
	default:
		p.expect(err)
		p.later(p.s.backoff(), func() {
			entry, err := r.Append(ctx, e)
			p.settled(r, e, entry, err, done, lost)
		})
	}
}

// won restores what is below the claim and has all who are there run it.
func (p *process) won(claim *checkpoint.Entry) {
	p.stopGeneration()
	p.tries++
	try := p.tries
	p.s.note("claim won", uint64(claim.Number), uint64(p.id)) //nolint:gosec // small
	p.later(p.s.bucketDelay(), func() {
		if p.tries != try {
			return
		}
		state, err := p.app.Log().StateBelow(ctx, claim.Number, 1)
		if err != nil {
			p.expect(err)
			p.later(p.s.backoff(), func() {
				if p.tries == try {
					p.won(claim)
				}
			})
			return
		}
		p.assign(core.Generation(claim.Number), state)
	})
}

// assign spreads shards and partitions over the processes that are there.
func (p *process) assign(gen core.Generation, state *checkpoint.State) {
	nodes := []*process{p}
	for _, m := range p.s.machines {
		if o := m.proc; o != nil && o != p && p.reaches(o) && p.knows(o) {
			nodes = append(nodes, o)
		}
	}
	p.hellos = append([]*process(nil), nodes[1:]...)
	plan := p.s.newPlan(gen, p, nodes, state)
	for _, o := range nodes[1:] {
		p.linkTo(o).control.send(true, func() { o.join(plan) })
	}
	p.join(plan)
	p.lead = newCoordinator(p.gen)
	p.lead.discover()
}

func (p *process) knows(o *process) bool {
	for _, h := range p.hellos {
		if h == o {
			return true
		}
	}
	return false
}

// welcome takes a process in, with a new generation soon.
func (p *process) welcome(o *process) {
	if p.lead == nil {
		return
	}
	if !p.knows(o) {
		p.hellos = append(p.hellos, o)
	}
	gen := p.gen
	p.later(p.s.spread(30_000), func() {
		if p.gen == gen && gen != nil && p.lead != nil {
			p.change()
		}
	})
}

// change begins a new generation, after a halt if that is drawn.
func (p *process) change() {
	if p.s.chance(0.5) && !p.lead.halting && p.lead.restored() {
		p.s.count(Halt)
		p.lead.halt()
		return
	}
	p.reclaim()
}

// reclaim begins a new generation with a claim of the process that leads.
func (p *process) reclaim() {
	if p.busy {
		p.again = true
		return
	}
	p.again = false
	p.stopGeneration()
	p.tries++
	p.appendClaim()
}

// join begins a generation.
func (p *process) join(plan *plan) {
	if plan.gen <= p.newest {
		return
	}
	if p != plan.leader && p.busy {
		return // it claims itself: whoever wins, one of them looks again
	}
	p.stopGeneration()
	p.tries++
	p.newest = plan.gen
	p.leader, p.heard = plan.leader, p.s.now
	p.gen = newGeneration(p, plan)
	p.gen.begin()
	held := p.held
	p.held = nil
	for _, h := range held {
		p.receive(h.gen, h.f)
	}
}

// stopGeneration gives up everything under way. The disk keeps what it has.
func (p *process) stopGeneration() {
	p.lead = nil
	if p.gen == nil {
		return
	}
	p.gen.stop()
	p.gen = nil
}

// watch looks whether leader and nodes are there, twice in a lease time.
func (p *process) watch() {
	p.later(p.s.profile.lease/2, p.watch)
	if p.gen == nil || p.gen.over {
		return
	}
	if p.lead != nil {
		p.lead.watch()
		return
	}
	if p.reaches(p.leader) && p.leader.gen != nil && p.leader.gen.id == p.gen.id {
		p.heard = p.s.now
		return
	}
	if p.s.now-p.heard >= p.s.profile.lease {
		p.s.note("leader not heard", uint64(p.id), 0) //nolint:gosec // small
		p.stopGeneration()
		p.seek()
	}
}
