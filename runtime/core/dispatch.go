package core

import "strconv"

// DispatcherConfig is what a Dispatcher is made of. Zero fields mean the defaults.
type DispatcherConfig struct {
	PoolSize int    // most tries at the endpoint at a time; default 1024
	Retry    Retry  // waits during the endpoint's trouble; a Jitter of zero means 0.2, a negative one none
	Probes   int    // tries at a time that find out whether the trouble is over; default 2
	Seed     uint64 // of the jitter
}

const (
	startLimit    = 64              // tries at a time before anything is known of the endpoint
	maxStrikes    = 10              // troubles in a row, others succeeding in between, that are the Address's own failure
	manyTroubles  = 3               // different tries struck without a success in between: the endpoint's trouble
	failStreak    = 20              // failures in a row,
	failAddresses = 5               // over as many Addresses: the endpoint's trouble, too
	maxRetryAfter = Millis(600_000) // longest wait on a server's word
	minWindow     = 16
	stall         = Millis(500) // without an answer while all slots are taken, after which there are more slots
)

// Dispatcher stands between the workers of a node and one endpoint. It decides how many tries are under way, and what
// happens when the endpoint is in trouble.
//
// Always true:
//
//  1. Every submitted invocation is delivered once, or forgotten with its generation.
//  2. No more tries are under way than the limit; while the endpoint rests, none is started.
//  3. Trouble is delivered to no one, unless it strikes one Address alone: it is tried again for ever.
//  4. Fresh invocations are sent in the order in which they were submitted.
type Dispatcher struct {
	cfg        DispatcherConfig
	now        Millis
	generation Generation // tries of older ones are given up
	draws      uint64     // random numbers drawn

	fresh   invocationQueue
	flying  flights
	waiting struckHeap // struck by trouble, by the time at which they are due
	order   uint64     // number of the last one struck

	limit     limiter
	progress  Millis // time of the last send or answer, or of the limit's last rise
	state     dispatchState
	level     int    // rests since the last success
	until     Millis // end of the rest
	probing   int    // probes under way
	fromFresh bool   // where the next probe comes from
	successes uint64
	recent    [manyTroubles]*Invocation // struck without a success in between
	struck    int                       // how many recent holds
	failures  int                       // in a row
	failed    [failStreak]Address       // the last ones
	broken    bool                      // the last failures count as the endpoint's trouble

	window int    // as last told
	wake   Millis // as last told; zero if none
}

type dispatchState uint8

const (
	open    dispatchState = iota // tries go out, up to the limit
	resting                      // until a time, nothing goes out
	probing                      // a few tries find out whether the endpoint is back
)

// flight is what is known of a try under way, besides the invocation.
type flight struct {
	sent    Millis
	seen    uint64 // successes at its last strike
	tries   int    // that met trouble
	strikes int    // of them with a success of others in between
	silent  int    // in a row without one
	probe   bool
}

// NewDispatcher makes a Dispatcher. The driver's first event should be a tick.
func NewDispatcher(cfg DispatcherConfig) *Dispatcher {
	if cfg.PoolSize <= 0 {
		cfg.PoolSize = 1024
	}
	if cfg.Probes <= 0 {
		cfg.Probes = 2
	}
	if cfg.Retry.Jitter == 0 {
		cfg.Retry.Jitter = 0.2
	}
	cfg.Retry.Jitter = min(max(cfg.Retry.Jitter, 0), 1)
	cfg.Retry = cfg.Retry.WithDefaults()
	d := &Dispatcher{cfg: cfg, limit: newLimiter(cfg.PoolSize)}
	d.window = d.wantedWindow()
	return d
}

// Window is how many invocations all workers together should have submitted at most, as last told.
func (d *Dispatcher) Window() int { return d.window }

// Wake is the time at which a tick is needed, as last told; zero if none is.
func (d *Dispatcher) Wake() Millis { return d.wake }

// Limit is how many tries may be under way, for metrics.
func (d *Dispatcher) Limit() int { return d.limit.current }

// Resting reports whether the endpoint is in trouble, for metrics.
func (d *Dispatcher) Resting() bool { return d.state != open }

// Flying is the number of tries under way, and Queued that of the invocations that wait for one, for metrics.
func (d *Dispatcher) Flying() int { return d.flying.len() }

// Queued is the number of invocations that wait to be sent.
func (d *Dispatcher) Queued() int { return d.fresh.len() + len(d.waiting) }

// Step applies ev and appends to out what the driver must do, in the order in which it must be done. It never blocks;
// a driver may step many events before it performs their effects.
func (d *Dispatcher) Step(ev *DispatchEvent, out []DispatchEffect) []DispatchEffect {
	switch ev.Kind {
	case DispatchSubmit:
		if ev.Invocation.Try.Generation < d.generation {
			return out
		}
		d.fresh.push(ev.Invocation)
	case DispatchAnswered:
		out = d.onAnswered(ev, out)
	case DispatchTick:
		if d.now = max(d.now, ev.Now); d.wake == 0 || d.now < d.wake {
			return out
		}
		d.wake = 0
		d.onStall()
	case DispatchForget:
		d.onForget(ev.Generation)
	}
	return d.settle(d.send(out))
}

func (d *Dispatcher) onForget(g Generation) {
	d.generation = max(d.generation, g)
	old := func(inv *Invocation) bool { return inv.Try.Generation < d.generation }
	d.fresh.drop(old)
	d.waiting.drop(old)
}

func (d *Dispatcher) onAnswered(ev *DispatchEvent, out []DispatchEffect) []DispatchEffect {
	f, ok := d.flying.remove(ev.Invocation)
	if !ok {
		return out
	}
	d.progress = d.now
	if f.probe {
		d.probing--
	}
	switch ev.Outcome.Class {
	case OutcomeOK:
		d.onSuccess()
		d.limit.sample(d.now, f.sent)
		return d.deliver(ev.Invocation, f, &ev.Outcome, out)
	case OutcomeFailed:
		return d.onFailure(ev.Invocation, f, &ev.Outcome, out)
	default:
		return d.onTrouble(ev.Invocation, f, &ev.Outcome, out)
	}
}

// deliver hands a result to its worker, unless it was given up.
func (d *Dispatcher) deliver(inv *Invocation, f flight, o *Outcome, out []DispatchEffect) []DispatchEffect {
	if inv.Try.Generation < d.generation {
		return out
	}
	out = append(out, DispatchEffect{Kind: DispatchDeliver, Result: Result{Invocation: inv, Outcome: *o}})
	out[len(out)-1].Result.Outcome.Took = d.now - f.sent
	return out
}

// send starts what may be started.
func (d *Dispatcher) send(out []DispatchEffect) []DispatchEffect {
	if d.state == resting && d.now >= d.until {
		d.state = probing
	}
	for {
		switch d.state {
		case resting:
			return out
		case probing:
			if d.probing >= d.cfg.Probes {
				return out
			}
		case open:
			if d.flying.len() >= d.limit.current {
				d.limit.saturated = d.limit.saturated || d.fresh.len() > 0
				return out
			}
		}
		inv, f, ok := d.pick()
		if !ok {
			return out
		}
		f.sent, f.probe = d.now, d.state == probing
		if f.probe {
			d.probing++
		}
		d.flying.add(inv, f)
		d.progress = d.now
		out = append(out, DispatchEffect{Kind: DispatchSend, Invocation: inv})
	}
}

// pick takes the invocation to be sent next. Probes come from those that were struck and from fresh ones in turn, so
// that a few poison messages cannot make a healthy endpoint look ill for ever.
func (d *Dispatcher) pick() (*Invocation, flight, bool) {
	struck := len(d.waiting) > 0 && (d.state == probing || d.waiting[0].due <= d.now)
	if d.state == probing && d.fresh.len() > 0 && struck {
		d.fromFresh = !d.fromFresh
		struck = d.fromFresh
	}
	if struck {
		s := d.waiting.pop()
		return s.inv, s.flight, true
	}
	if d.fresh.len() == 0 {
		return nil, flight{}, false
	}
	return d.fresh.pop(), flight{}, true
}

// stalled reports whether every slot is taken while others wait.
func (d *Dispatcher) stalled() bool {
	return d.state == open && d.fresh.len() > 0 && d.flying.len() >= d.limit.current && d.limit.current < d.limit.max
}

// onStall raises the limit when all slots have hung for a while: they must not keep the others waiting until their
// budgets are spent.
func (d *Dispatcher) onStall() {
	if d.stalled() && d.now >= d.progress+stall {
		d.progress = d.now
		d.limit.raise()
	}
}

// settle tells the window where it has changed, and the next wake unless one is told that comes before.
func (d *Dispatcher) settle(out []DispatchEffect) []DispatchEffect {
	if w := d.wantedWindow(); w != d.window {
		d.window = w
		out = append(out, DispatchEffect{Kind: DispatchWindow, Window: w})
	}
	if w := d.wantedWake(); w != 0 && (d.wake == 0 || w < d.wake) {
		d.wake = w
		out = append(out, DispatchEffect{Kind: DispatchWake, At: w})
	}
	return out
}

// wantedWindow lets workers submit as much again as may be under way, so that no slot stays empty; what was struck does
// not keep others out.
func (d *Dispatcher) wantedWindow() int {
	return min(max(2*d.limit.current, minWindow)+len(d.waiting), 4*d.cfg.PoolSize+minWindow)
}

func (d *Dispatcher) wantedWake() Millis {
	switch d.state {
	case resting:
		return d.until
	case probing:
		return 0
	}
	w := Millis(0)
	if len(d.waiting) > 0 && d.waiting[0].due > d.now {
		w = d.waiting[0].due
	}
	if at := d.progress + stall; d.stalled() && (w == 0 || at < w) {
		w = max(at, d.now+1)
	}
	return w
}

func (d *Dispatcher) random() uint64 {
	d.draws++
	return d.cfg.Seed + d.draws*0x9e3779b97f4a7c15
}

func strikesReason(reason string) string {
	return "endpoint trouble " + strconv.Itoa(maxStrikes) + " times in a row while others at the endpoint succeeded: " + reason
}
