package sim

import "github.com/stateway/stateway/runtime/core"

// link carries messages from one process to another, in order. They are kept until acknowledged; after a cut those that are kept
// are sent again, so that some arrive twice.
type link struct {
	s        *Sim
	from, to *process
	kept     []*parcel
	sent     uint64
	received uint64
	nextAt   int64  // nothing arrives before what was sent before
	conn     uint64 // counts connections
}

// parcel is a message on a link.
type parcel struct {
	n    uint64
	once bool // a repeat is dropped by the link itself
	f    func()
}

// links of a process: one for frames and one for what the leader and its nodes tell each other.
type links struct{ data, control *link }

func (p *process) linkTo(to *process) *links {
	l := p.links[to.id]
	if l == nil {
		l = &links{data: &link{s: p.s, from: p, to: to}, control: &link{s: p.s, from: p, to: to}}
		p.links[to.id] = l
		p.peers = append(p.peers, to.id)
	}
	return l
}

func (l *link) up() bool { return !l.s.cuts[l.from.m.id][l.to.m.id] }

func (l *link) send(once bool, f func()) {
	l.sent++
	p := &parcel{n: l.sent, once: once, f: f}
	l.kept = append(l.kept, p)
	if l.up() {
		l.transmit(p)
	}
}

func (l *link) transmit(p *parcel) {
	conn := l.conn
	delay := l.s.spread(600)
	switch {
	case l.s.faulty(l.s.profile.linkSlow):
		l.s.count(LinkSlow)
		delay = l.s.spread(15_000)
	case l.from == l.to:
		delay = l.s.spread(60)
	}
	l.nextAt = max(l.nextAt, l.s.now+delay)
	l.s.at(l.nextAt, func() {
		if l.conn == conn && l.to.alive {
			l.arrive(p)
		}
	})
}

func (l *link) arrive(p *parcel) {
	repeat := p.n <= l.received
	l.received = max(l.received, p.n)
	if l.s.rng.IntN(2) > 0 { // otherwise the acknowledgement is on its way still
		for len(l.kept) > 0 && l.kept[0].n <= p.n {
			l.kept = l.kept[1:]
		}
	}
	if repeat {
		if p.once {
			return
		}
		l.s.count(FrameTwice)
	}
	p.f()
}

// resume sends again what is kept.
func (l *link) resume() {
	l.conn++
	for _, p := range l.kept {
		l.transmit(p)
	}
}

func (s *Sim) cut(a, b int) {
	s.cuts[a][b], s.cuts[b][a] = true, true
	s.note("cut", uint64(a), uint64(b)) //nolint:gosec // small
	s.eachLink(a, b, func(l *link) { l.conn++ })
}

func (s *Sim) heal(a, b int) {
	s.cuts[a][b], s.cuts[b][a] = false, false
	s.note("heal", uint64(a), uint64(b)) //nolint:gosec // small
	s.eachLink(a, b, (*link).resume)
}

func (s *Sim) eachLink(a, b int, f func(*link)) {
	for _, p := range s.procs {
		if !p.alive {
			continue
		}
		for _, id := range p.peers {
			l := p.links[id]
			if from, to := p.m.id, l.data.to.m.id; (from == a && to == b) || (from == b && to == a) {
				f(l.data)
				f(l.control)
			}
		}
	}
}

// reaches reports whether two processes hear each other.
func (p *process) reaches(o *process) bool {
	return p.alive && o.alive && !p.s.cuts[p.m.id][o.m.id]
}

// heldParcel is a message of a generation that the process has not begun yet.
type heldParcel struct {
	gen core.Generation
	f   func(*generation)
}

// receive runs f in the process's generation gen: at once, later, or never if that is over.
func (p *process) receive(gen core.Generation, f func(*generation)) {
	switch {
	case p.gen != nil && p.gen.id == gen:
		f(p.gen)
	case p.newest < gen:
		p.s.count(FrameOfNewGeneration)
		p.held = append(p.held, heldParcel{gen, f})
	default:
		p.s.count(FrameOfOldGeneration)
	}
}
