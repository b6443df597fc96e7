package core

import "slices"

// onSuccess takes note that the endpoint works.
func (d *Dispatcher) onSuccess() {
	d.successes++
	clear(d.recent[:d.struck])
	d.struck, d.failures, d.broken = 0, 0, false
	if d.state == probing {
		d.reopen()
	}
}

// reopen lets tries out again, a few at first.
func (d *Dispatcher) reopen() {
	d.state, d.level = open, 0
	d.limit.restart(d.cfg.Probes)
}

// onFailure delivers a failure, unless everybody's invocations fail.
func (d *Dispatcher) onFailure(inv *Invocation, f flight, o *Outcome, out []DispatchEffect) []DispatchEffect {
	d.failed[d.failures%failStreak] = inv.Target
	d.failures++
	d.broken = d.broken || (d.failures >= failStreak && distinct(d.failed[:], failAddresses) >= failAddresses)
	if d.broken {
		f.tries++
		d.retryLater(inv, f, o)
		d.rest(f, o)
		return out
	}
	if d.state == probing && f.probe { // it answers
		d.reopen()
	}
	return d.deliver(inv, f, o, out)
}

// distinct counts different Addresses, up to a bound.
func distinct(all []Address, enough int) int {
	n := 0
	for i := range all {
		if !slices.Contains(all[:i], all[i]) {
			if n++; n == enough {
				break
			}
		}
	}
	return n
}

// onTrouble keeps a try that met trouble for later. What strikes one Address only becomes its own failure.
func (d *Dispatcher) onTrouble(inv *Invocation, f flight, o *Outcome, out []DispatchEffect) []DispatchEffect {
	f.tries++
	f.silent++
	if f.strikes == 0 || d.successes > f.seen {
		f.strikes++
		f.seen = d.successes
		f.silent = 1
	}
	if f.strikes >= maxStrikes {
		failed := *o
		failed.Class, failed.Reason = OutcomeFailed, strikesReason(o.Reason)
		return d.deliver(inv, f, &failed, out)
	}
	d.retryLater(inv, f, o)
	if f.tries == 1 && d.state == open {
		d.limit.trouble()
	}
	if d.noteTroubled(inv) || f.silent >= troubledAlone || d.state != open {
		d.rest(f, o)
	}
	return out
}

// troubledAlone is after how many troubles of one try, with no success of any in between, the endpoint counts as in trouble.
const troubledAlone = 3

// noteTroubled reports whether several different tries were struck without a success in between.
func (d *Dispatcher) noteTroubled(inv *Invocation) bool {
	for _, r := range d.recent[:d.struck] {
		if r == inv {
			return false
		}
	}
	if d.struck < len(d.recent) {
		d.recent[d.struck] = inv
		d.struck++
	}
	return d.struck == len(d.recent)
}

// retryLater queues a struck try.
func (d *Dispatcher) retryLater(inv *Invocation, f flight, o *Outcome) {
	if inv.Try.Generation < d.generation {
		return
	}
	d.order++
	wait := max(d.cfg.Retry.Pause(f.tries, d.random()), min(o.RetryAfter, maxRetryAfter))
	d.waiting.push(struckTry{due: d.now + max(wait, 1), order: d.order, inv: inv, flight: f})
}

// rest begins a rest, or a longer one when a probe has met trouble. What was under way when the rest began changes
// nothing but for what the server asks.
func (d *Dispatcher) rest(f flight, o *Outcome) {
	asked := d.now + min(o.RetryAfter, maxRetryAfter)
	if d.state == resting || (d.state == probing && !f.probe) {
		if d.state == resting {
			d.until = max(d.until, asked)
		}
		return
	}
	d.level++
	d.state = resting
	d.until = max(d.now+max(d.cfg.Retry.Pause(d.level, d.random()), 1), asked)
}
