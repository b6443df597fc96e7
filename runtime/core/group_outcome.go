package core

// groupTrouble is what is known of an endpoint's trouble.
type groupTrouble struct {
	state     dispatchState
	level     int    // rests since the last success
	until     Millis // end of the rest
	probing   int    // probes under way
	fromFresh bool   // where the next probe comes from
	successes uint64 // items answered well
	struck    int    // different groups struck without a success in between
	failures  int    // in a row, groups counted by up to groupWeight items
	failed    [failStreak]Address
	broken    bool // the last failures count as the endpoint's trouble
}

// groupWeight is how many failures a failed group of many counts as at most.
const groupWeight = 4

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
	if ok > 0 {
		d.onSuccess(ok)
		d.limit.sampleOf(d.now, min(g.sent+g.waited, d.now), len(g.Items))
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

// onSuccess takes note that the endpoint works.
func (d *GroupDispatcher) onSuccess(items int) {
	t := &d.trouble
	t.successes += uint64(items) //nolint:gosec // not negative
	t.struck, t.failures, t.broken = 0, 0, false
	if t.state == probing {
		d.reopen()
	}
}

func (d *GroupDispatcher) reopen() {
	d.trouble.state, d.trouble.level = open, 0
	d.limit.restart(d.cfg.Probes)
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
	d.noteFailure(g.Items[i].Target)
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

// noteGroupFailure counts a failed group as several failures, but a half only as one: a few bad items are to be found before all looks broken.
func (d *GroupDispatcher) noteGroupFailure(g *Group) {
	weight := groupWeight
	if g.half {
		weight = 1
	}
	step := max(1, len(g.Items)/weight)
	for i := 0; i < len(g.Items) && i/step < weight; i += step {
		d.noteFailure(g.Items[i].Target)
	}
}

func (d *GroupDispatcher) noteFailure(a Address) {
	t := &d.trouble
	t.failed[t.failures%failStreak] = a
	t.failures++
	t.broken = t.broken || (t.failures >= failStreak && distinct(t.failed[:], failAddresses) >= failAddresses)
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

// onTrouble keeps a group that met trouble for later. What strikes one Address only becomes its own failure.
func (d *GroupDispatcher) onTrouble(g *Group, o *GroupOutcome, out []GroupEffect) []GroupEffect {
	if o.Throttled {
		d.stats.Throttled++
	}
	first := g.tries == 0 && d.trouble.state == open
	strikes := d.strike(g)
	if o.Throttled {
		g.strikes, strikes = 1, 1 // that there are too many is nobody's fault
	}
	switch {
	case strikes >= maxStrikes && len(g.Items) == 1:
		return d.deliver(g, 0, &Outcome{Class: OutcomeFailed, Reason: strikesReason(o.Reason)}, out)
	case strikes > 1 && strikes%3 == 0 && len(g.Items) > 1:
		g.silent = 0
		d.halve(g, o.RetryAfter)
	default:
		d.keep(g, d.pause(g.tries), o.RetryAfter)
	}
	if first {
		d.lowerLimit(g)
	}
	if first && (!o.Throttled || len(d.flying) == 0) { // while others are served, too many are no trouble of the whole endpoint
		d.trouble.struck++
	}
	if d.trouble.struck >= manyTroubles || g.silent >= troubledAlone || d.trouble.state != open {
		d.rest(g, o.RetryAfter)
	}
	return out
}

// lowerLimit takes note of a group that met trouble for the first time. Several of them lower the limit, those that were under way together
// only once.
func (d *GroupDispatcher) lowerLimit(g *Group) {
	if g.N <= d.cut {
		return
	}
	before := d.limit.current
	if d.limit.trouble(); d.limit.current < before {
		d.cut = d.stats.Groups
	}
}

// strike notes that a group met trouble, and returns how often it did with successes of others in between.
func (d *GroupDispatcher) strike(g *Group) int {
	g.tries++
	g.silent++
	if g.strikes == 0 || d.trouble.successes > g.seen {
		g.strikes++
		g.seen = d.trouble.successes
		g.silent = 1
	}
	return g.strikes
}

// keep queues what is to be sent again, after a pause if that is not zero, and after what was asked for, also as a probe. What is given
// up goes.
func (d *GroupDispatcher) keep(g *Group, pause, asked Millis) {
	asked = min(asked, maxRetryAfter)
	g.whole, g.asked = true, d.now+asked
	if d.generation > 0 {
		if kept := d.young([]*Group{g}); len(kept) == 0 {
			return
		}
	}
	if pause = max(pause, asked); pause == 0 {
		d.sendAgain(g)
		return
	}
	d.order++
	g.due, g.order = d.now+pause, d.order
	d.heldup += len(g.Items)
	d.waiting.push(g)
}

func (d *GroupDispatcher) pause(tries int) Millis {
	return max(d.cfg.Retry.Pause(tries, d.random()), 1)
}

// rest begins a rest, or a longer one when a probe has met trouble. What was under way when the rest began changes nothing but for what
// the endpoint asks.
func (d *GroupDispatcher) rest(g *Group, retryAfter Millis) {
	t := &d.trouble
	asked := d.now + min(retryAfter, maxRetryAfter)
	if t.state == resting || (t.state == probing && !g.probe) {
		if t.state == resting {
			t.until = max(t.until, asked)
		}
		return
	}
	t.level++
	t.state = resting
	t.until = max(d.now+d.pause(t.level), asked)
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
