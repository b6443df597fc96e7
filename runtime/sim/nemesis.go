package sim

import (
	"errors"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

var errDisk = errors.New("the disk does not write")

// What the nemesis does.
const (
	doCrash = iota
	doCrashWithoutDisk
	doCut
	doOutage
	doRival
	doJump
	doHalt
	doStoreFailure
	doWindow
	doEgressOutage
	doDeploy
	doLoseGroups
	doBreakGroups
	numNemesis
)

// nemesis does something bad, and comes again.
func (s *Sim) nemesis() {
	if !s.faulting {
		return
	}
	s.after(s.spread(s.profile.nemesis), s.nemesis)
	total := 0
	for _, w := range s.profile.weights {
		total += w
	}
	if total == 0 {
		return
	}
	n := s.rng.IntN(total)
	for what, w := range s.profile.weights {
		if n -= w; n < 0 {
			s.strike(what)
			return
		}
	}
}

func (s *Sim) strike(what int) {
	m := s.machines[s.rng.IntN(len(s.machines))]
	p := m.proc
	switch {
	case what == doCut:
		s.strikeNetwork()
	case what == doOutage:
		s.count(BucketOutage)
		s.outage = s.now + s.spread(300_000)
	case what == doEgressOutage:
		s.count(EgressOutage)
		s.noEgress = s.now + s.spread(600_000)
	case what == doJump:
		s.count(TimeJump)
		s.jump(s.spread(2_000_000))
	case what == doDeploy:
		s.deploy()
	case what == doLoseGroups:
		s.noGroups = s.now + s.spread(500_000)
	case what == doBreakGroups:
		s.broken[s.rng.IntN(endpoints)] = s.now + s.spread(300_000)
	case p == nil:
	case what == doCrash:
		s.count(Crash)
		p.crash("struck")
	case what == doCrashWithoutDisk:
		s.count(CrashWithoutDisk)
		p.crash("struck, disk lost")
		s.newDisk(m)
	case what == doRival:
		s.strikeRival(p)
	case what == doHalt:
		if p.lead != nil && !p.lead.halting && p.lead.restored() {
			s.count(Halt)
			p.lead.halt()
		}
	case what == doStoreFailure:
		m.disk.Fault(func(core.ShardID) error { return errDisk })
	case what == doWindow:
		s.strikeWindow(p)
	}
}

func (s *Sim) newDisk(m *machine) {
	m.disk = &shard.Memory{}
	m.disk0++
	m.dir = [16]byte{byte(m.id), byte(m.disk0), 1}
}

func (s *Sim) strikeNetwork() {
	if len(s.machines) < 2 {
		return
	}
	a := s.rng.IntN(len(s.machines))
	b := (a + 1 + s.rng.IntN(len(s.machines)-1)) % len(s.machines)
	if s.cuts[a][b] {
		return
	}
	s.count(NetworkCut)
	s.cut(a, b)
	long := s.spread(s.profile.lease / 2)
	if s.chance(0.3) {
		long = s.spread(s.profile.lease * 3)
	}
	s.after(long, func() {
		if s.cuts[a][b] {
			s.heal(a, b)
		}
	})
}

// strikeRival has a process claim although somebody leads: its clock or its view of the others is wrong.
func (s *Sim) strikeRival(p *process) {
	if p.app == nil || p.busy || p.lead != nil {
		if p.lead == nil || p.busy {
			return
		}
		s.count(RivalClaim) // a second process on the same machine would not get its disk: this one claims beside itself
		p.reclaim()
		return
	}
	tail, err := p.app.Log().FindTail(ctx, 0)
	if err != nil {
		return
	}
	s.count(RivalClaim)
	p.stopGeneration()
	p.tries++
	p.leader = nil
	p.claim(tail)
}

func (s *Sim) strikeWindow(p *process) {
	if p.gen == nil {
		return
	}
	s.count(WindowChanged)
	for _, w := range p.gen.workers {
		w.window(s.rng.IntN(endpoints), 1+s.rng.IntN(8))
	}
}
