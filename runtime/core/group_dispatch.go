package core

// GroupDispatcher stands between the workers of a node and an endpoint that takes groups. Whatever is ready when a slot frees travels
// together; with slots free and no Linger an item waits for nothing.
//
// Always true:
//
//  1. Every submitted invocation is delivered once, or forgotten with its generation.
//  2. No more groups are under way than Concurrency, nor, but for a few probes, than the limit; while the endpoint rests, none is started.
//  3. Trouble is delivered to no one, unless it strikes one Address alone: it is tried again for ever.
//  4. An item that was answered is not sent again; a group without an answer is halved, so that one bad item among n is found
//     with about 2·log2(n) more groups.
//  5. Fresh invocations are sent in the order in which they were submitted, in turn with what is to be tried again.
//  6. That too many groups are under way is nobody's failure.
//
// Its sibling Dispatcher, for endpoints that take one invocation a request, has the same notions of trouble.
type GroupDispatcher struct {
	cfg        GroupDispatcherConfig
	now        Millis
	generation Generation // tries of older ones are given up
	draws      uint64     // random numbers drawn

	fresh   freshItems
	again   []*Group // to be sent as they are, in turn with what is fresh
	waiting groupHeap
	flying  map[*Group]struct{} // never ranged over
	order   uint64              // number of the last one struck
	heldup  int                 // items in again and waiting

	limit    limiter
	size     groupSize
	pace     groupWindow
	underway int    // items in flying
	rampAt   Millis // when limit.max groups were first under way; zero if not yet
	progress Millis // time of the last send or answer, or of the limit's last rise
	cut      uint64 // groups up to this number were sent before trouble last lowered the limit
	repeated bool   // the last group was one of those to be sent as they are
	trouble  groupTrouble
	stats    GroupStats

	window int    // as last told
	wake   Millis // as last told; zero if none
}

// NewGroupDispatcher makes a GroupDispatcher. The driver's first event should be a tick.
func NewGroupDispatcher(cfg GroupDispatcherConfig) *GroupDispatcher {
	cfg = cfg.withDefaults()
	d := &GroupDispatcher{cfg: cfg, flying: map[*Group]struct{}{}}
	d.size = newGroupSize(cfg.Target, cfg.StartItems)
	d.limit = newLimiter(cfg.Concurrency)
	d.limit.current = min(cfg.StartAt, cfg.Concurrency)
	if cfg.Ramp > 0 {
		d.limit.max = min(max(cfg.Ramp, d.limit.current), cfg.Concurrency)
	}
	d.pace.look(0, 0, false, d.windowBounds())
	d.window = d.wantedWindow()
	return d
}

// Window is how many invocations all workers together should have submitted at most, as last told.
func (d *GroupDispatcher) Window() int { return d.window }

// Wake is the time at which a tick is needed, as last told; zero if none is.
func (d *GroupDispatcher) Wake() Millis { return d.wake }

// Stats is what metrics show.
func (d *GroupDispatcher) Stats() GroupStats {
	s := d.stats
	s.Limit, s.Flying, s.Queued, s.Resting = d.limit.current, len(d.flying), d.fresh.len()+d.heldup, d.trouble.state != open
	return s
}

// Step applies ev and appends to out what the driver must do. It never blocks, and starts nothing: a driver steps all events that
// have come and then calls Send, so that what came together travels together.
func (d *GroupDispatcher) Step(ev *GroupEvent, out []GroupEffect) []GroupEffect {
	switch ev.Kind {
	case GroupSubmit:
		d.submit(ev.Invocation)
	case GroupDone:
		out = d.onDone(ev.Group, ev.Outcome, out)
	case GroupTick:
		d.now = max(d.now, ev.Now)
	case GroupForget:
		d.onForget(ev.Generation)
	}
	return out
}

// submit queues an invocation. One that has failed without an answer travels alone: it would take its fellows with it.
func (d *GroupDispatcher) submit(inv *Invocation) {
	switch {
	case inv.Try.Generation < d.generation:
	case inv.Alone && d.cfg.Size(inv) <= d.cfg.MaxBytes:
		d.sendAgain(d.group([]*Invocation{inv}, true))
	default:
		d.fresh.push(freshItem{inv: inv, at: d.now, size: d.cfg.Size(inv)})
	}
}

func (d *GroupDispatcher) onForget(g Generation) {
	d.generation = max(d.generation, g)
	old := func(inv *Invocation) bool { return inv.Try.Generation < d.generation }
	d.fresh.drop(old)
	d.again = d.young(d.again)
	d.waiting = d.young(d.waiting)
	d.waiting.init()
	d.heldup = 0
	for _, list := range [][]*Group{d.again, d.waiting} {
		for _, g := range list {
			d.heldup += len(g.Items)
		}
	}
}

// young are the groups that have items of a generation that is not given up, with only these.
func (d *GroupDispatcher) young(groups []*Group) []*Group {
	kept := groups[:0]
	for _, g := range groups {
		items := make([]*Invocation, 0, len(g.Items))
		for _, inv := range g.Items {
			if inv.Try.Generation >= d.generation {
				items = append(items, inv)
			}
		}
		if len(items) > 0 {
			g.Items = items
			kept = append(kept, g)
		}
	}
	clear(groups[len(kept):])
	return kept
}

// group makes a group of items.
func (d *GroupDispatcher) group(items []*Invocation, whole bool) *Group {
	g := &Group{Items: items, whole: whole}
	for _, inv := range items {
		g.Bytes += d.cfg.Size(inv)
	}
	return g
}

func (d *GroupDispatcher) sendAgain(g *Group) {
	d.heldup += len(g.Items)
	d.again = append(d.again, g)
}

// Send starts what may be started, after all events that have come were stepped, and tells window and wake where they have changed.
func (d *GroupDispatcher) Send(out []GroupEffect) []GroupEffect {
	d.onStall()
	t := &d.trouble
	if t.state == resting && d.now >= t.until {
		t.state = probing
	}
	for d.room() {
		g := d.pick(&out)
		if g == nil {
			break
		}
		out = d.start(g, out)
	}
	d.ramp()
	d.watch()
	return d.settle(out)
}

// room reports whether a group may be started.
func (d *GroupDispatcher) room() bool {
	switch d.trouble.state {
	case resting:
		return false
	case probing:
		return d.trouble.probing < d.cfg.Probes && len(d.flying) < d.cfg.Concurrency
	}
	if len(d.flying) < d.limit.current {
		return true
	}
	d.limit.saturated = d.limit.saturated || d.fresh.len() > 0 || d.heldup > 0
	return false
}

func (d *GroupDispatcher) start(g *Group, out []GroupEffect) []GroupEffect {
	d.stats.Groups++
	d.stats.Items += uint64(len(g.Items))
	d.stats.Bytes += uint64(max(g.Bytes, 0))
	g.N, g.sent, g.probe = d.stats.Groups, d.now, d.trouble.state == probing
	if g.probe {
		d.trouble.probing++
	}
	if len(d.flying) == 0 {
		d.pace.begins(d.now)
	}
	d.flying[g] = struct{}{}
	d.underway += len(g.Items)
	d.progress = d.now
	return append(out, GroupEffect{Kind: DispatchSend, Group: g})
}

// onStall raises the limit when all slots have hung for a while.
func (d *GroupDispatcher) onStall() {
	if d.stalled() && d.now >= d.progress+stall {
		d.progress = d.now
		d.limit.raise()
	}
}

func (d *GroupDispatcher) stalled() bool {
	return d.trouble.state == open && d.fresh.len()+d.heldup > 0 && len(d.flying) >= d.limit.current && d.limit.current < d.limit.max
}

// ramp lets the limit reach further when the endpoint has had time to grow since as much was under way as it could take.
func (d *GroupDispatcher) ramp() {
	switch {
	case d.cfg.Ramp == 0 || d.limit.max >= d.cfg.Concurrency:
	case d.rampAt == 0:
		if len(d.flying) >= d.limit.max {
			d.rampAt = d.now
		}
	case d.now >= d.rampAt+d.cfg.RampEvery:
		d.rampAt = 0
		d.limit.max = min(d.limit.max+d.cfg.Ramp, d.cfg.Concurrency)
	}
}

func (d *GroupDispatcher) random() uint64 {
	d.draws++
	return d.cfg.Seed + d.draws*0x9e3779b97f4a7c15
}
