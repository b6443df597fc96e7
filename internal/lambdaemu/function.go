package lambdaemu

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// environment runs the invocations of a function, one at a time. It calls back with function.began, answered, lost and gone.
type environment interface {
	// give hands an invocation over. It does not block.
	give(inv *invocation)
	// end ends the environment soon; it calls function.gone when it has ended. It does not block.
	end()
}

// Stats is what has happened to a function.
type Stats struct {
	Invocations  uint64 // that were run or are being run
	Throttled    uint64 // refused with 429
	Errors       uint64 // function errors, time-outs among them
	TimedOut     uint64
	ColdStarts   uint64 // environments started
	Environments int    // there now
	Working      int    // of them
	// Init is how long the environments took together from their start until they asked for work, of Ready environments.
	Init  time.Duration
	Ready uint64
	// Billed is how long the function worked, each invocation rounded up to a millisecond.
	Billed time.Duration
}

// function is a Function with its environments.
type function struct {
	Function
	account *account
	log     io.Writer
	tasks   sync.WaitGroup // environments

	mu     sync.Mutex
	idle   []*spare             // the one used last at the end
	all    map[environment]bool // that take invocations
	old    map[environment]bool // that take no more and have not ended
	bucket bucket
	stats  Stats
	closed bool
}

// spare is an environment without work.
type spare struct {
	env   environment
	timer *time.Timer // ends it when nobody needs it
}

// bucket bounds how many environments are started.
type bucket struct {
	size  float64
	per   time.Duration
	level float64
	at    time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.level = min(b.size, b.level+b.size*float64(now.Sub(b.at))/float64(b.per))
	b.at = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}

// account bounds how many environments of all functions work.
type account struct {
	mu      sync.Mutex
	limit   int
	working int
}

func (a *account) take() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.working >= a.limit {
		return false
	}
	a.working++
	return true
}

func (a *account) give() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.working--
}

// start gives an invocation to an environment, to a new one if none is idle. Otherwise it returns the reason for which it is throttled.
func (f *function) start(inv *invocation) (throttled string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		inv.answer <- exited(inv.id, "", "the emulator ends")
		return ""
	}
	if f.Reserved < 0 || f.Reserved > 0 && f.stats.Working >= f.Reserved {
		f.stats.Throttled++
		return "ReservedFunctionConcurrentInvocationLimitExceeded"
	}
	if !f.account.take() {
		f.stats.Throttled++
		return "ConcurrentInvocationLimitExceeded"
	}
	if !f.handLocked(inv) {
		f.account.give()
		f.stats.Throttled++
		return "ConcurrentInvocationLimitExceeded"
	}
	f.stats.Working++
	f.stats.Invocations++
	return ""
}

// handLocked gives inv to an environment. It reports false if the ramp does not allow another one.
func (f *function) handLocked(inv *invocation) bool {
	if n := len(f.idle); n > 0 {
		s := f.idle[n-1]
		f.idle = f.idle[:n-1]
		s.timer.Stop()
		inv.env = s.env
		s.env.give(inv)
		return true
	}
	if !f.bucket.take(time.Now()) {
		return false
	}
	f.tasks.Add(1)
	env := f.open()
	f.all[env] = true
	f.stats.ColdStarts++
	inv.env = env
	env.give(inv)
	return true
}

func (f *function) open() environment {
	if f.Handler != nil {
		return newInside(f)
	}
	return newProcess(f)
}

// ready notes that an environment asks for work for the first time.
func (f *function) ready(took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Init += took
	f.stats.Ready++
}

// began notes that the function has the invocation: its time counts from now.
func (f *function) began(inv *invocation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	inv.began = time.Now()
	inv.timer = time.AfterFunc(f.Timeout, func() { f.timeout(inv) })
}

// answered finishes an invocation whose environment can take another, and has it again before the answer is seen.
func (f *function) answered(inv *invocation, a answer) { f.finish(inv, a, f.releaseLocked) }

// lost finishes an invocation whose environment takes no more.
func (f *function) lost(inv *invocation, a answer) { f.finish(inv, a, f.retireLocked) }

// finish answers an invocation, unless that has happened, after what becomes of its environment.
func (f *function) finish(inv *invocation, a answer, environment func(environment)) {
	if !inv.claim() {
		return
	}
	f.mu.Lock()
	f.account.give()
	f.stats.Working--
	if a.failed {
		f.stats.Errors++
	}
	took := time.Duration(0)
	if inv.timer != nil {
		inv.timer.Stop()
		took = time.Since(inv.began)
		f.stats.Billed += (took + time.Millisecond - 1).Truncate(time.Millisecond)
	}
	environment(inv.env)
	f.mu.Unlock()
	f.report(inv, a, took)
	inv.answer <- a
}

// report writes a line about an invocation that has ended.
func (f *function) report(inv *invocation, a answer, took time.Duration) {
	line := fmt.Sprintf("%s REPORT RequestId: %s Duration: %.2f ms Payload: %d B Answer: %d B", f.Name, inv.id,
		float64(took.Microseconds())/1000, len(inv.payload), len(a.payload))
	if a.failed {
		line += " Error: " + string(a.payload[:min(len(a.payload), 300)])
	}
	_, _ = io.WriteString(f.log, line+"\n")
}

// timeout finishes an invocation whose time is over.
func (f *function) timeout(inv *invocation) {
	f.finish(inv, timedOut(inv.id, f.Timeout), func(env environment) {
		f.stats.TimedOut++
		if f.KeepRunning == 0 {
			f.retireLocked(env)
			return
		}
		f.forgetLocked(env)
		time.AfterFunc(f.KeepRunning, env.end)
	})
}

// releaseLocked makes an environment idle, unless it was given up meanwhile.
func (f *function) releaseLocked(env environment) {
	if !f.all[env] || f.closed {
		env.end()
		return
	}
	s := &spare{env: env}
	s.timer = time.AfterFunc(f.Idle, func() { f.expire(s) })
	f.idle = append(f.idle, s)
}

func (f *function) expire(s *spare) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.idle, s); i >= 0 {
		f.idle = slices.Delete(f.idle, i, i+1)
		f.retireLocked(s.env)
	}
}

// forget takes an environment out of the pool, while it may run on.
func (f *function) forget(env environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetLocked(env)
}

func (f *function) forgetLocked(env environment) {
	if f.all[env] {
		delete(f.all, env)
		f.old[env] = true
	}
	f.idle = slices.DeleteFunc(f.idle, func(s *spare) bool {
		if s.env == env {
			s.timer.Stop()
		}
		return s.env == env
	})
}

// retireLocked ends an environment.
func (f *function) retireLocked(env environment) {
	f.forgetLocked(env)
	env.end()
}

// again gives an invocation that an environment has not begun to another one.
func (f *function) again(inv *invocation) {
	f.mu.Lock()
	ok := !f.closed && f.handLocked(inv)
	f.mu.Unlock()
	if !ok {
		f.lost(inv, exited(inv.id, "", "its environment ended"))
	}
}

// gone notes that an environment has ended.
func (f *function) gone(env environment) {
	f.mu.Lock()
	f.forgetLocked(env)
	delete(f.old, env)
	f.mu.Unlock()
	f.tasks.Done()
}

func (f *function) close() {
	f.mu.Lock()
	f.closed = true
	for env := range f.all {
		f.retireLocked(env)
	}
	for env := range f.old {
		env.end()
	}
	f.mu.Unlock()
	f.tasks.Wait()
}

func (f *function) now() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Environments = len(f.all)
	return s
}
