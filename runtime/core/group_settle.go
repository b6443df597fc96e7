package core

// settle tells the window where it has changed, and the next wake.
func (d *GroupDispatcher) settle(out []GroupEffect) []GroupEffect {
	if w := d.wantedWindow(); w != d.window {
		d.window = w
		out = append(out, GroupEffect{Kind: DispatchWindow, Window: w})
	}
	if w := d.wantedWake(); w != d.wake {
		d.wake = w
		if w != 0 {
			out = append(out, GroupEffect{Kind: DispatchWake, At: w})
		}
	}
	return out
}

// watch adapts the window.
func (d *GroupDispatcher) watch() {
	if d.trouble.state != open {
		d.pace.rest(d.now)
		return
	}
	d.pace.look(d.now, d.underway+d.fresh.len(), len(d.flying) < d.limit.current, d.windowBounds())
}

// windowBounds are as much again as may be under way, so that no slot stays empty, be it of one item each or full; and how long a user lets
// groups take and wait.
func (d *GroupDispatcher) windowBounds() windowBounds {
	slots := 2 * max(d.limit.current, 1)
	b := windowBounds{least: max(slots, minWindow), most: slots * d.size.limit(), prompt: windowPrompt + 2*d.cfg.Target + d.cfg.Linger}
	if d.cfg.Linger > 0 {
		b.least = max(b.least, 2*d.size.limit())
	}
	return b
}

// wantedWindow is told in steps; what was struck keeps nobody out.
func (d *GroupDispatcher) wantedWindow() int {
	step := func(n int) int { return (n + minWindow - 1) / minWindow * minWindow }
	return step(d.pace.within(d.windowBounds())) + step(d.heldup)
}

func (d *GroupDispatcher) wantedWake() Millis {
	w := Millis(0)
	earlier := func(at Millis) {
		if at = max(at, d.now+1); w == 0 || at < w {
			w = at
		}
	}
	switch d.trouble.state {
	case resting:
		return d.trouble.until
	case probing:
		if d.trouble.probing < d.cfg.Probes && len(d.waiting) > 0 && d.waiting[0].asked > d.now {
			return d.waiting[0].asked
		}
		return 0
	}
	if len(d.waiting) > 0 && d.waiting[0].due > d.now {
		earlier(d.waiting[0].due)
	}
	if d.stalled() {
		earlier(d.progress + stall)
	}
	if len(d.flying) < d.limit.current && d.pace.hinders(d.underway+d.fresh.len(), d.windowBounds()) {
		earlier(d.pace.stalledAt())
	}
	if d.fresh.len() > 0 && len(d.flying) < d.limit.current && d.lingers(d.size.next()) {
		earlier(d.fresh.first().at + d.cfg.Linger)
	}
	if d.rampAt > 0 && len(d.flying) >= d.limit.current {
		earlier(d.rampAt + d.cfg.RampEvery)
	}
	return w
}
