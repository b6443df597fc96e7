package core

import "strconv"

// pick takes the group to be sent next, nil if nothing is to be sent now. Probes carry one item.
func (d *GroupDispatcher) pick(out *[]GroupEffect) *Group {
	if d.trouble.state == probing {
		return d.pickProbe(out)
	}
	if d.repeated { // many that fail alone must not keep everybody else out
		d.repeated = false
		if g := d.form(d.size.next(), out); g != nil {
			return g
		}
	}
	if g := d.pickAgain(); g != nil {
		d.repeated = true
		return g
	}
	return d.form(d.size.next(), out)
}

// pickAgain takes a group that is to be sent as it is, nil if none is due.
func (d *GroupDispatcher) pickAgain() *Group {
	if len(d.again) == 0 && (len(d.waiting) == 0 || d.waiting[0].due > d.now) {
		return nil
	}
	return d.popAgain()
}

// popAgain takes the first group that is to be sent as it is; there must be one.
func (d *GroupDispatcher) popAgain() *Group {
	var g *Group
	if len(d.again) > 0 {
		g = d.again[0]
		d.again[0] = nil
		d.again = d.again[1:]
	} else {
		g = d.waiting.pop()
	}
	d.heldup -= len(g.Items)
	return g
}

// form makes a group of so many fresh items at most. What does not fit into any request is delivered as a failure at once.
func (d *GroupDispatcher) form(most int, out *[]GroupEffect) *Group {
	for {
		if d.fresh.len() == 0 || d.lingers(most) {
			return nil
		}
		g := &Group{Items: make([]*Invocation, 0, min(d.fresh.len(), most))}
		for d.fresh.len() > 0 && len(g.Items) < most {
			if len(g.Items) > 0 && g.Bytes+d.fresh.first().size > d.cfg.MaxBytes {
				break
			}
			item := d.fresh.pop()
			if item.size > d.cfg.MaxBytes {
				*out = append(*out, d.tooLarge(item.inv, item.size))
				continue
			}
			g.Items = append(g.Items, item.inv)
			g.Bytes += item.size
		}
		if len(g.Items) > 0 {
			d.size.formed(len(g.Items))
			return g
		}
	}
}

// tooLarge is the failure of an invocation that fits into no request.
func (d *GroupDispatcher) tooLarge(inv *Invocation, size int) GroupEffect {
	o := Outcome{
		Class: OutcomeFailed, Final: true, Answered: true,
		Reason: strconv.Itoa(len(inv.Messages)) + " messages with their state take " + strconv.Itoa(size) +
			" bytes, and the endpoint takes requests of " + strconv.Itoa(d.cfg.MaxBytes),
	}
	return GroupEffect{Kind: DispatchDeliver, Result: Result{Invocation: inv, Outcome: o}}
}

// lingers reports whether the fresh items wait for company, in a group of so many at most.
func (d *GroupDispatcher) lingers(most int) bool {
	if d.cfg.Linger == 0 || d.fresh.len() >= most || d.fresh.bytes >= d.cfg.MaxBytes {
		return false
	}
	return d.now < d.fresh.first().at+d.cfg.Linger
}

// pickProbe takes one item to find out whether the trouble is over: from what was struck and from what is fresh in turn, so that a few
// poison messages cannot make a healthy endpoint look ill for ever.
func (d *GroupDispatcher) pickProbe(out *[]GroupEffect) *Group {
	struck := len(d.again) > 0 || len(d.waiting) > 0 && d.waiting[0].asked <= d.now
	if struck && d.fresh.len() > 0 {
		d.trouble.fromFresh = !d.trouble.fromFresh
		struck = d.trouble.fromFresh
	}
	if !struck {
		return d.form(1, out)
	}
	g := d.popAgain()
	if len(g.Items) == 1 {
		return g
	}
	one, rest := d.group(g.Items[:1:1], true), d.group(g.Items[1:], true)
	one.flight, rest.flight, rest.half = g.flight, g.flight, g.half
	rest.due, rest.asked, rest.order = g.due, g.asked, g.order
	d.heldup += len(rest.Items)
	d.waiting.push(rest)
	return one
}
