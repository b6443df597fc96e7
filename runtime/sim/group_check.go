package sim

import "github.com/stateway/stateway/runtime/core"

// groupCheck is what must hold of a dispatcher of groups, seen from both of its sides.
//
//  1. An item is in one group at a time, and a group has no Address twice; nothing is sent again that was answered, or given up.
//  2. A result is the item's own: its answer, or a failure that it has had alone, or a request that it does not fit in.
//  3. Every item that was answered well is delivered at once.
//  4. Groups have the size that was asked for, and are as many; what a group lost is sought in halves, what an answer lacked alone.
//  5. Fresh items go in order.
//  6. What is to be tried later is not tried before.
//  7. What failed without an answer of its own travels alone when it is tried again; what was answered need not.
type groupCheck struct {
	e         *grouped
	now       core.Millis
	items     map[*core.Invocation]*item // submitted, and not delivered; never ranged over
	flying    map[*core.Group]bool       // never ranged over
	well      []*core.Invocation         // answered in this step
	shrunk    []*item                    // of a group that led to nothing
	together  int                        // items of a fresh group, as the server has announced
	submitted uint64
	fresh     uint64 // the last fresh item that was sent
	forgotten core.Generation
	alone     map[*core.Message]bool // first messages of tries that failed without an answer of their own; never ranged over
}

// item is an invocation in a dispatcher's care.
type item struct {
	n        uint64 // counts them
	group    *core.Group
	sent     core.Millis
	waited   core.Millis
	atMost   int            // items of the groups that it may travel in; zero if any
	half     int            // what atMost becomes unless the whole endpoint is to blame
	response *core.Response // of its answer
	failed   bool           // by itself
	spoken   bool           // an answer said so
	troubles int
	asked    core.Millis // not to be sent before
}

// strikes are how many troubles of its own an Address has before they count as its failure.
const strikes = 10

func (c *groupCheck) fail(inv *core.Invocation, format string, args ...any) {
	c.e.s.fail("groups of %s: try %s of %s "+format, append([]any{functionTypes[c.e.id], inv.Try, inv.Target}, args...)...)
}

// before takes note of an event.
func (c *groupCheck) before(ev *core.GroupEvent) {
	switch ev.Kind {
	case core.GroupSubmit:
		c.submitted++
		c.items[ev.Invocation] = &item{n: c.submitted}
		if inv := ev.Invocation; c.alone[inv.Messages[0]] && !inv.Alone {
			c.fail(inv, "is tried again in company, and failed without an answer of its own")
		}
	case core.GroupForget:
		c.forgotten = max(c.forgotten, ev.Generation)
	case core.GroupDone:
		if c.flying[ev.Group] {
			delete(c.flying, ev.Group)
			if ev.Outcome.Together > 0 {
				c.together = ev.Outcome.Together
			}
			c.done(ev.Group, ev.Outcome)
		}
	case core.GroupTick:
	}
}

// done takes note of what became of each item of a group.
func (c *groupCheck) done(g *core.Group, o *core.GroupOutcome) {
	for i, inv := range g.Items {
		it := c.items[inv]
		it.group, it.waited = nil, o.Waited
		alone, answered := len(g.Items) == 1, o.Class == core.GroupAnswered && len(o.Items) == len(g.Items)
		answer := core.Outcome{}
		if answered {
			answer = o.Items[i]
		}
		it.spoken = answered && answer.Class == core.OutcomeFailed && answer.Answered
		switch {
		case o.Class == core.GroupTrouble || answer.Class == core.OutcomeTrouble:
			it.troubles++
			it.only(answered)
			it.asked = c.now + max(o.RetryAfter, answer.RetryAfter)
		case answered && answer.Class == core.OutcomeFailed:
			it.failed = true
		case answered && answer.Response != nil:
			it.response = answer.Response
			c.well = append(c.well, inv)
		case alone:
			it.failed = true
		case answered:
			it.only(true)
		default:
			it.half = (len(g.Items) + 1) / 2
			c.shrunk = append(c.shrunk, it)
		}
	}
}

// only has an item travel alone from now on.
func (it *item) only(alone bool) {
	if alone {
		it.atMost = 1
	}
}

// stepped takes note of whether the endpoint counts as in trouble after an event: then what failed is not halved.
func (c *groupCheck) stepped(resting bool) {
	for _, it := range c.shrunk {
		if !resting && (it.atMost == 0 || it.half < it.atMost) {
			it.atMost = it.half
		}
	}
	c.shrunk = c.shrunk[:0]
}

// after looks at the effects of a step.
func (c *groupCheck) after(out []core.GroupEffect, st core.GroupStats) {
	for i := range out {
		switch f := &out[i]; f.Kind {
		case core.DispatchSend:
			c.sent(f.Group)
		case core.DispatchDeliver:
			c.delivered(f.Result.Invocation, &f.Result.Outcome)
		case core.DispatchWindow, core.DispatchWake:
		}
	}
	for _, inv := range c.well {
		if c.items[inv] != nil && inv.Try.Generation >= c.forgotten {
			c.fail(inv, "was answered, and not delivered")
		}
	}
	c.well = c.well[:0]
	if most := c.e.cfg.Concurrency; len(c.flying) > most || st.Flying != len(c.flying) {
		c.e.s.fail("groups of %s: %d under way, %d by their own count, at most %d", functionTypes[c.e.id], len(c.flying), st.Flying, most)
	}
}

func (c *groupCheck) sent(g *core.Group) {
	if c.flying == nil {
		c.flying = map[*core.Group]bool{}
	}
	c.flying[g] = true
	most, size := c.e.cfg.MaxItems, 0
	for i, inv := range g.Items {
		it := c.items[inv]
		switch {
		case it == nil:
			c.fail(inv, "is sent, whose result was delivered")
		case it.response != nil:
			c.fail(inv, "is sent, which was answered")
		case it.group != nil:
			c.fail(inv, "is sent, which is under way")
		case inv.Try.Generation < c.forgotten:
			c.fail(inv, "is sent, which was given up")
		case c.now < it.asked:
			c.fail(inv, "is sent %d ms before it should be tried again", it.asked-c.now)
		case it.atMost > 0 && len(g.Items) > it.atMost:
			c.fail(inv, "travels with %d, at most %d", len(g.Items), it.atMost)
		case most > 0 && len(g.Items) > most:
			c.fail(inv, "travels with %d in a group of at most %d", len(g.Items), most)
		case it.sent == 0 && !inv.Alone && c.together > 0 && len(g.Items) > c.together:
			c.fail(inv, "travels with %d, and the server has announced %d", len(g.Items), c.together)
		case inv.Alone && len(g.Items) > 1:
			c.fail(inv, "travels with %d, and should alone", len(g.Items))
		case it.sent == 0 && !inv.Alone && it.n <= c.fresh:
			c.fail(inv, "is sent after one that came later")
		}
		for _, other := range g.Items[:i] {
			if other.Target == inv.Target && other.Try.Generation == inv.Try.Generation {
				c.fail(inv, "is in a group with try %s", other.Try)
			}
		}
		if it.sent == 0 && !inv.Alone {
			c.fresh = it.n
		}
		it.group, it.sent, it.failed = g, c.now, false
		size += groupSize(inv)
	}
	if most := c.e.cfg.MaxBytes; size != g.Bytes || (most > 0 && size > most) {
		c.fail(g.Items[0], "is in a group of %d bytes, at most %d, said to be %d", size, most, g.Bytes)
	}
}

func (c *groupCheck) delivered(inv *core.Invocation, o *core.Outcome) {
	it := c.items[inv]
	if it == nil {
		c.fail(inv, "is delivered twice")
	}
	delete(c.items, inv)
	size := groupSize(inv)
	large := c.e.cfg.MaxBytes > 0 && size > c.e.cfg.MaxBytes
	switch {
	case inv.Try.Generation < c.forgotten:
		c.fail(inv, "is delivered, which was given up")
	case o.Class == core.OutcomeOK && (o.Response == nil || o.Response != it.response):
		c.fail(inv, "is delivered with an answer that is not its own")
	case o.Class == core.OutcomeTrouble:
		c.fail(inv, "is delivered as trouble: %s", o.Reason)
	case o.Class == core.OutcomeFailed && !it.failed && it.troubles < strikes && !large:
		c.fail(inv, "is delivered as failed, and did not fail: %s", o.Reason)
	case o.Class == core.OutcomeFailed && o.Answered != (it.spoken || large):
		c.fail(inv, "is delivered as failed, answered %t", o.Answered)
	case o.Took < 0 || (!large && o.Took > max(0, c.now-it.sent-it.waited)):
		c.fail(inv, "took %d ms of its budget, sent %d ms ago, which waited %d ms", o.Took, c.now-it.sent, it.waited)
	}
	failed := o.Class == core.OutcomeFailed
	if failed && !o.Answered {
		if c.alone == nil {
			c.alone = map[*core.Message]bool{}
		}
		c.alone[inv.Messages[0]] = true
	}
	c.e.s.countIf(failed && large, ItemTooLarge)
	c.e.s.countIf(failed && !it.failed && !large, ItemStruckOut)
	if !failed {
		c.e.remember(inv)
	}
}
