package core

func (d *GroupDispatcher) onDone(g *Group, o *GroupOutcome, out []GroupEffect) []GroupEffect {
	if _, ok := d.flying[g]; !ok {
		return out
	}
	delete(d.flying, g)
	d.underway -= len(g.Items)
	d.progress = d.now
	if g.probe {
		d.trouble.probing--
	}
	d.stats.Busy += d.now - g.sent
	d.stats.Stray += uint64(max(o.Stray, 0))
	d.together(o.Together)
	g.waited = max(o.Waited, 0)
	switch {
	case o.Class == GroupAnswered && len(o.Items) == len(g.Items):
		return d.onAnswer(g, o, out)
	case o.Class == GroupTrouble:
		return d.onTrouble(g, o, out)
	case o.Class == GroupTooLarge && len(g.Items) > 1:
		d.halve(g, 0)
		return out
	case o.Class == GroupTooLarge:
		return d.deliver(g, 0, &Outcome{Class: OutcomeFailed, Reason: o.Reason, Final: true}, out)
	}
	return d.onGroupFailed(g, o, out)
}

// together takes note of how many items the endpoint takes in a request. What is queued to go as it is stays so.
func (d *GroupDispatcher) together(items int) {
	if items = min(items, d.cfg.MaxItems); items > 0 && items != d.size.most {
		d.size.takes(items)
	}
}

// onAnswer delivers what the answer says of each item.
func (d *GroupDispatcher) onAnswer(g *Group, o *GroupOutcome, out []GroupEffect) []GroupEffect {
	first, ok, putOff, after := g.tries == 0, o.successes(), 0, maxRetryAfter
	d.pace.done(d.now, len(g.Items))
	g.few = d.trouble.failures == 0
	if ok > 0 {
		d.onSuccess(ok)
		d.limit.sampleOf(d.now, min(g.sent+g.waited, d.now), len(g.Items))
	}
	if ok > 0 && !g.Items[0].Alone && (len(g.Items) > 1 || !g.whole) { // one that is tried again says nothing of what one usually takes
		d.size.note(len(g.Items), d.now-g.sent-g.waited, g.N, d.stats.Groups)
	}
	for i := range o.Items {
		item := &o.Items[i]
		switch {
		case item.Class == OutcomeOK && item.Response != nil:
			out = d.deliver(g, i, item, out)
		case item.Class == OutcomeOK:
			d.stats.Missing++
			out = d.onMissing(g, i, out)
		case item.Class == OutcomeTrouble:
			putOff, after = putOff+1, min(after, item.RetryAfter)
			out = d.itemAgain(g, i, item, out)
		case ok > 0: // others succeed: however many fail, that is theirs
			out = d.deliver(g, i, item, out)
		default:
			out = d.onItemFailed(g, i, item, out)
		}
	}
	if putOff == len(g.Items) { // as status 503
		if first && d.trouble.state == open {
			d.trouble.struck++
			d.lowerLimit(g)
		}
		if d.trouble.struck >= manyTroubles || d.trouble.state != open {
			d.rest(g, after)
		}
	}
	return out
}

// successes is how many items were answered well.
func (o *GroupOutcome) successes() int {
	n := 0
	for i := range o.Items {
		if o.Items[i].Class == OutcomeOK && o.Items[i].Response != nil {
			n++
		}
	}
	return n
}

// onMissing tries an item that the answer lacks again, alone. If it was alone, it is a failure: the answer is none.
func (d *GroupDispatcher) onMissing(g *Group, i int, out []GroupEffect) []GroupEffect {
	if planted == groupMissingDone {
		return d.deliver(g, i, &Outcome{Response: &Response{}}, out)
	}
	if len(g.Items) == 1 {
		return d.onItemFailed(g, i, &Outcome{Class: OutcomeFailed, Reason: "the answer does not speak of this invocation"}, out)
	}
	if planted == groupAnsweredAgain {
		i = 0
	}
	d.keep(d.group(g.Items[i:i+1:i+1], true), 0, 0)
	return out
}

// itemAgain keeps an item for later whose answer asks for that. When it asks again and again while others succeed, it is its own failure.
func (d *GroupDispatcher) itemAgain(g *Group, i int, o *Outcome, out []GroupEffect) []GroupEffect {
	one := d.group(g.Items[i:i+1:i+1], true)
	if len(g.Items) == 1 {
		one.flight = g.flight
	}
	if d.strike(one) >= maxStrikes {
		return d.deliver(g, i, &Outcome{Class: OutcomeFailed, Reason: strikesReason(o.Reason)}, out)
	}
	d.keep(one, d.pause(one.tries), o.RetryAfter)
	return out
}

// onItemFailed delivers the failure of an item, unless everybody's fail.
func (d *GroupDispatcher) onItemFailed(g *Group, i int, o *Outcome, out []GroupEffect) []GroupEffect {
	d.noteItemFailure(g, g.Items[i])
	if d.trouble.broken {
		one := d.group(g.Items[i:i+1:i+1], true)
		one.flight = g.flight
		one.tries++
		d.keep(one, d.pause(one.tries), o.RetryAfter)
		d.rest(g, o.RetryAfter)
		return out
	}
	if d.trouble.state == probing && g.probe { // it answers
		d.reopen()
	}
	return d.deliver(g, i, o, out)
}

// onGroupFailed halves a group that led to no valid answer. An item that fails alone is its own failure, unless everybody's fail.
func (d *GroupDispatcher) onGroupFailed(g *Group, o *GroupOutcome, out []GroupEffect) []GroupEffect {
	if len(g.Items) == 1 {
		return d.onItemFailed(g, 0, &Outcome{Class: OutcomeFailed, Reason: o.Reason, RetryAfter: o.RetryAfter}, out)
	}
	if took := d.now - g.sent - g.waited; !g.half && float64(took) > d.size.goal() {
		d.size.note(len(g.Items), took, g.N, d.stats.Groups)
	}
	d.noteGroupFailure(g)
	if d.trouble.broken {
		g.tries++
		d.keep(g, d.pause(g.tries), o.RetryAfter)
		d.rest(g, o.RetryAfter)
		return out
	}
	if planted == groupAllFailed {
		for i := range g.Items {
			out = d.deliver(g, i, &Outcome{Class: OutcomeFailed, Reason: o.Reason}, out)
		}
		return out
	}
	d.halve(g, 0)
	return out
}

// halve sends a group again in two halves, as soon as there are slots and what was asked for has passed.
func (d *GroupDispatcher) halve(g *Group, asked Millis) {
	d.stats.Splits++
	n := (len(g.Items) + 1) / 2
	for _, half := range [][]*Invocation{g.Items[:n:n], g.Items[n:]} {
		h := d.group(half, true)
		h.flight, h.half = g.flight, true
		d.keep(h, 0, asked)
	}
}

// deliver hands the result of an item to its worker, unless it was given up.
func (d *GroupDispatcher) deliver(g *Group, i int, o *Outcome, out []GroupEffect) []GroupEffect {
	inv := g.Items[i]
	if inv.Try.Generation < d.generation {
		return out
	}
	out = append(out, GroupEffect{Kind: DispatchDeliver, Result: Result{Invocation: inv, Outcome: *o}})
	out[len(out)-1].Result.Outcome.Took = max(d.now-g.sent-g.waited, 0)
	return out
}
