package endpoint

import (
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

const maxRounds = 8 // batches that a caller processes for others before a goroutine of its own takes over

// machine is a dispatcher of the core, its transport, and what its effects need. All but submit, forget and tick, which say in an event what is to
// be done, are called by one goroutine at a time.
type machine[E any] interface {
	submit(inv *core.Invocation) E
	forget(g core.Generation) E
	tick(now core.Millis) E
	// step runs a batch of events through the dispatcher and performs the effects, at the core's time now.
	step(events []E, now core.Millis)
	// wake is when the dispatcher needs a tick; zero if it needs none.
	wake() core.Millis
	// stats are the numbers after the last step.
	stats() Stats
	// close closes the transport, after the last step.
	close()
}

// loop takes events from any goroutine to a machine, in batches: whoever finds nobody at it processes what has come.
type loop[E any] struct {
	machine machine[E]
	now     func() core.Millis
	tasks   sync.WaitGroup // who processes events, and ticks

	mu     sync.Mutex // not held while events are processed
	events []E
	spare  []E  // the room of the batch before
	busy   bool // somebody processes events
	closed bool
	stats  Stats       // after the last batch
	armed  core.Millis // when timer fires; zero if it does not
	timer  *time.Timer // of whoever is busy
}

// begin makes the loop ready and tells the first window.
func (l *loop[E]) begin(m machine[E], cfg *Config, window int) {
	l.machine, l.now, l.stats = m, cfg.Now, m.stats()
	cfg.Window(window)
}

// Submit takes invocations. It does not keep the slice.
func (l *loop[E]) Submit(invs []*core.Invocation) {
	l.mu.Lock()
	for _, inv := range invs {
		l.events = append(l.events, l.machine.submit(inv))
	}
	l.processLocked()
}

// Forget gives up what generations below g submitted: no result of theirs is delivered by a call of Deliver that
// begins after Forget's turn has come.
func (l *loop[E]) Forget(g core.Generation) {
	l.mu.Lock()
	l.events = append(l.events, l.machine.forget(g))
	l.processLocked()
}

// processLocked is called with mu held and releases it. Unless somebody is at it already, it processes what has come
// and what comes meanwhile.
func (l *loop[E]) processLocked() {
	if l.busy || l.closed {
		l.mu.Unlock()
		return
	}
	l.busy = true
	l.tasks.Add(1)
	for range maxRounds {
		if l.roundLocked(); len(l.events) == 0 || l.closed {
			l.busy = false
			l.mu.Unlock()
			l.tasks.Done()
			return
		}
	}
	go l.drain() // it is the task from now on
	l.mu.Unlock()
}

// drain goes on with what a caller has left.
func (l *loop[E]) drain() {
	defer l.tasks.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.events) > 0 && !l.closed {
		l.roundLocked()
	}
	l.busy = false
}

// roundLocked processes one batch of events and releases mu meanwhile.
func (l *loop[E]) roundLocked() {
	batch := l.events
	l.events, l.spare = l.spare, nil
	l.mu.Unlock()
	l.machine.step(batch, l.now())
	batch = emptied(batch)
	l.mu.Lock()
	l.spare = batch
	l.stats = l.machine.stats()
	l.armLocked()
}

// armLocked sets the timer to the dispatcher's next wake. A timer that fired too early, because the clock was set back,
// is set again.
func (l *loop[E]) armLocked() {
	wake := l.machine.wake()
	if wake == l.armed || l.closed {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.armed = wake; wake == 0 {
		return
	}
	d := time.Duration(max(wake-l.now(), 1)) * time.Millisecond
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.ring)
		return
	}
	l.timer.Reset(d)
}

// ring is called by the timer.
func (l *loop[E]) ring() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.tasks.Add(1)
	defer l.tasks.Done()
	l.armed = 0
	l.events = append(l.events, l.machine.tick(l.now()))
	l.processLocked()
}

// Stats returns the numbers after the last batch of events.
func (l *loop[E]) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// idle reports whether there is nothing to do, and nothing on its way: the numbers alone say so also while a batch is processed.
func (l *loop[E]) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.busy && len(l.events) == 0 && l.stats.Queued == 0 && l.stats.Flying == 0
}

// Close drops what has not been processed, waits for who is at work, closes the transport and waits for its goroutines. Invocations without a
// result get none.
func (l *loop[E]) Close() {
	l.mu.Lock()
	l.closed = true
	l.events = nil
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.tasks.Wait()
	l.machine.close()
}

// Stats is what metrics show of an endpoint.
type Stats struct {
	Limit   int  // requests that may be under way
	Flying  int  // requests under way
	Queued  int  // invocations that wait for a slot or for the end of a rest
	Resting bool // the endpoint is in trouble

	Answers [3]uint64 // tries that ended, by core.OutcomeClass
	Groups  GroupStats
}

// GroupStats counts what endpoints do that take groups; all zero for others.
type GroupStats struct {
	Groups    uint64 // sent
	Items     uint64 // invocations sent in them
	Bytes     uint64 // of their requests, before compression
	Splits    uint64 // groups that were halved
	Missing   uint64 // invocations that an answer lacked
	Throttled uint64 // groups refused because too many were under way
	Stray     uint64 // answers that had to be dropped

	// Busy is the time of all groups together, from sending to the answer or its lack.
	Busy core.Millis
	// Cost is what they have cost by Config.Price: at most, since the way there and back and cold starts count as well.
	Cost float64
}

// health notes what goes wrong at an endpoint and tells when its trouble begins or is over.
type health struct {
	tell    func(begins bool, reason string) // may be nil
	resting bool
	reason  string    // of the last answer that was none
	answers [3]uint64 // by core.OutcomeClass
}

// note counts an answer and remembers what went wrong.
func (h *health) note(class core.OutcomeClass, reason string) {
	if int(class) < len(h.answers) {
		h.answers[class]++
	}
	if class != core.OutcomeOK {
		h.reason = reason
	}
}

// noteTrouble tells a change.
func (h *health) noteTrouble(resting bool) {
	if resting == h.resting {
		return
	}
	h.resting = resting
	if h.tell != nil {
		h.tell(resting, h.reason)
	}
}

// refuse makes an answer that cannot be applied a failure, before a dispatcher takes it for a success.
func refuse(check func(*core.Invocation, *core.Response) error, inv *core.Invocation, o *core.Outcome) {
	if check == nil || o.Class != core.OutcomeOK || o.Response == nil {
		return
	}
	if err := check(inv, o.Response); err != nil {
		*o = core.Outcome{Class: core.OutcomeFailed, Reason: err.Error(), Took: o.Took, Answered: true}
	}
}
