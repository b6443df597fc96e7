package sim

import "github.com/stateway/stateway/runtime/core"

// deployment is the code of a function type from some time on: what it declares of its states. A worker learns of it with its first
// invocation of the type.
type deployment struct {
	before     *deployment
	era        int // counts them
	ttl        core.StateSpec
	withoutAux bool
	dropped    int // the last era without the state "aux"
}

const mostDeployments = 4

// firstCode is what the functions are when a run begins.
func (s *Sim) firstCode() {
	for i := range s.code {
		ttl := core.StateSpec{Name: stateTTL, Typename: "sim/ttl", Mode: core.ExpireAfterWrite, TTL: 700}
		switch i {
		case 1:
			ttl.Mode, ttl.TTL = core.ExpireAfterInvoke, 300
		case 2:
			ttl.TTL = 150
		}
		s.code[i] = &deployment{ttl: ttl}
	}
}

// deploy has a function declare other states: another time to live, one state less or again.
func (s *Sim) deploy() {
	i := s.rng.IntN(endpoints)
	old := s.code[i]
	if old.era == mostDeployments {
		return
	}
	s.count(StatesChanged)
	d := &deployment{before: old, era: old.era + 1, ttl: old.ttl, dropped: old.dropped}
	d.ttl.TTL = []core.Millis{100, 300, 800, 2000}[s.rng.IntN(4)]
	if s.chance(0.2) {
		d.ttl.Mode = core.ExpireAfterWrite + core.ExpireAfterInvoke - old.ttl.Mode
	}
	if d.withoutAux = !old.withoutAux && s.chance(0.4); d.withoutAux {
		d.dropped = d.era
	}
	s.code[i] = d
}

// specs are the states that it declares.
func (d *deployment) specs() []core.StateSpec {
	all := []core.StateSpec{{Name: stateLog, Typename: "sim/log"}, d.ttl}
	if !d.withoutAux {
		all = append(all, core.StateSpec{Name: stateAux, Typename: "sim/aux"})
	}
	return all
}

// shortest is the shortest time to live of the codes from an era on.
func (d *deployment) shortest(from int) core.Millis {
	ttl := d.ttl.TTL
	for d = d.before; d != nil && d.era >= from; d = d.before {
		ttl = min(ttl, d.ttl.TTL)
	}
	return ttl
}

// longest is the longest time to live of the codes from an era on.
func (d *deployment) longest(from int) core.Millis {
	ttl := d.ttl.TTL
	for d = d.before; d != nil && d.era >= from; d = d.before {
		ttl = max(ttl, d.ttl.TTL)
	}
	return ttl
}

// renewing reports whether a time to live was ever counted from the last invocation.
func (d *deployment) renewing() bool {
	for ; d != nil; d = d.before {
		if d.ttl.Mode == core.ExpireAfterInvoke {
			return true
		}
	}
	return false
}
