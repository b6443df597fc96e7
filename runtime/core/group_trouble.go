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

// noteItemFailure counts the failure of an item. What failed before is tried again at about the same time: that a group of it fails again, when
// others succeeded just before, says little of the endpoint.
func (d *GroupDispatcher) noteItemFailure(g *Group, inv *Invocation) {
	if g.few && inv.Attempt > 1 {
		if g.fails == groupWeight {
			return
		}
		g.fails++
	}
	d.noteFailure(inv.Target)
}

func (d *GroupDispatcher) noteFailure(a Address) {
	t := &d.trouble
	t.failed[t.failures%failStreak] = a
	t.failures++
	t.broken = t.broken || (t.failures >= failStreak && distinct(t.failed[:], failAddresses) >= failAddresses)
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
