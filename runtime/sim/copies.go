package sim

import (
	"slices"

	"github.com/stateway/stateway/runtime/core"
)

// copies are messages with one dedupe id. Each carries a program of its own, so that it shows which of them counted: those that came
// within the window of one that did must not, and one that came later must.
type copies struct {
	id  string
	all []*copied
}

// copied is one of the messages.
type copied struct {
	p    *program
	sure bool        // it comes with a position, so that it arrives whatever happens
	at   core.Millis // when a worker was first given it; zero if none was
}

func (m *model) newCopies(id string, p *program) *copies {
	c := &copies{id: id}
	c.add(p, false)
	m.copies = append(m.copies, c)
	return c
}

func (c *copies) first() *program { return c.all[0].p }

func (c *copies) add(p *program, sure bool) {
	c.all = append(c.all, &copied{p: p, sure: sure})
}

// sent notes when a worker was first given a program's message.
func (c *copies) sent(p *program, at core.Millis) {
	i := slices.IndexFunc(c.all, func(o *copied) bool { return o.p == p })
	if c.all[i].at == 0 {
		c.all[i].at = at
	}
}

// copyOf is one message more with the id. It comes without a position.
func (s *Sim) copyOf(c *copies) *core.Message {
	p := s.newProgram(nil, c.first().target, 3)
	c.add(p, false)
	c.sent(p, s.clock())
	return &core.Message{Target: s.model.addrs[p.target], Arg: p.encode(0, fromNobody), Dedupe: c.id}
}

const dayLong = core.Millis(24 * 60 * 60 * 1000)

func (s *Sim) window() core.Millis {
	if s.profile.window > 0 {
		return s.profile.window
	}
	return dayLong
}

// judgeCopies: at least one message counted, each that did is done with all that follows, and none within the window of another.
// A dead letter does not say when its message came, and a dropped one says nothing.
func (v *verdict) judgeCopies(c *copies) {
	var ran []*copied
	unknown := 0
	for _, o := range c.all {
		came := v.happened(o.p)
		_, consumed := v.seen[o.p.id]
		switch {
		case consumed:
			ran = append(ran, o)
			v.follow(o.p)
		case came || o.p.dropped:
			unknown++
		}
	}
	if len(ran)+unknown == 0 && c.mustCount(v) {
		v.s.fail("no message with the id %s was consumed", c.id)
	}
	v.notWithin(c, ran)
	if unknown == 0 {
		v.notMissing(c, ran)
	}
	if len(ran) > 1 {
		v.s.count(CountedAnew)
	}
}

// mustCount reports whether one of the messages must have counted: it had a position, or somebody was told so.
func (c *copies) mustCount(v *verdict) bool {
	return c.all[0].sure || slices.ContainsFunc(v.s.clients, func(k *client) bool { return k.copies == c })
}

// notWithin: two that counted are at least the window apart.
func (v *verdict) notWithin(c *copies, ran []*copied) {
	window := v.s.window() - skewMost
	for i, a := range ran {
		for _, b := range ran[:i] {
			if v.startOf(a) < b.at+window && v.startOf(b) < a.at+window {
				v.s.fail("programs %d and %d with the id %s were both consumed, at %d and %d, within the window of %d ms",
					b.p.id, a.p.id, c.id, v.startOf(b), v.startOf(a), v.s.window())
			}
		}
	}
}

// notMissing: one that came when the window of all others was over has counted.
func (v *verdict) notMissing(c *copies, ran []*copied) {
	for _, o := range c.all {
		late := o.sure && !slices.Contains(ran, o)
		for _, r := range ran {
			late = late && v.startOf(r)+v.s.window()+skewMost <= o.at
		}
		if late {
			v.s.fail("program %d with the id %s came at %d, after the window of all others, and was not consumed", o.p.id, c.id, o.at)
		}
	}
}

// startOf is when a message was consumed; it was accepted before.
func (v *verdict) startOf(o *copied) core.Millis { return v.try(v.seen[o.p.id].by).started }
