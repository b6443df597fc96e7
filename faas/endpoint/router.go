package endpoint

import (
	"fmt"
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

// RouterConfig says how a Router finds its way.
type RouterConfig struct {
	// Route gives the address that a function type's requests go to. An error is a failure of whoever calls it.
	Route func(core.FunctionType) (address string, err error)
	// Open opens what an address is called through; window takes its windows.
	Open func(address string, deliver func([]core.Result), window func(int)) (*Groups, error)
	// Deliver and Window are those of Config, of all addresses together.
	Deliver func([]core.Result)
	Window  func(limit int)
}

// Router is an endpoint whose functions have addresses of their own. Each gets a dispatcher when it is first called: what ails one
// address slows down no other, and only what goes to one address travels together.
//
// Always true: an address has at most one dispatcher; one that has nothing to do may be closed when there are many, with its
// numbers kept. A Router is safe for concurrent use.
type Router struct {
	cfg   RouterConfig
	tasks sync.WaitGroup // closing what was not used

	mu      sync.Mutex // held while Window is called, never while anything else is
	members map[string]*member
	past    Stats // counters of the members that were closed
	window  int   // of all members together
	over    int   // likewise
	told    int
	closed  bool
}

// member is the dispatcher of an address.
type member struct {
	groups *Groups // nil while it is opened
	opened chan struct{}
	err    error

	// guarded by the router's mu
	users  int // calls of Submit that are at it
	window int
	over   int  // of what it has queued, what is beyond its window
	gone   bool // it is no member any more, whatever it says
}

const (
	manyMembers  = 1024    // beyond so many, those without work are closed
	leastWindow  = 64      // until there is a member
	largestExtra = 1 << 17 // invocations that addresses in trouble may hold without keeping others out
	windowStep   = 64      // windows are told in such steps
)

// NewRouter makes a Router and tells its first window.
func NewRouter(cfg RouterConfig) *Router {
	r := &Router{cfg: cfg, members: make(map[string]*member), told: leastWindow}
	cfg.Window(leastWindow)
	return r
}

// Submit takes invocations. It does not keep the slice.
func (r *Router) Submit(invs []*core.Invocation) {
	for len(invs) > 0 {
		n := 1
		for n < len(invs) && invs[n].Target.Type == invs[0].Target.Type {
			n++
		}
		r.submit(invs[:n])
		invs = invs[n:]
	}
}

// submit takes invocations of one function type.
func (r *Router) submit(invs []*core.Invocation) {
	address, err := r.cfg.Route(invs[0].Target.Type)
	if err != nil {
		r.refuse(invs, err)
		return
	}
	m, err := r.use(address)
	switch {
	case err != nil:
		r.refuse(invs, err)
	case m != nil:
		m.groups.Submit(invs)
		r.mu.Lock()
		m.users--
		r.measureLocked(m)
		r.mu.Unlock()
	}
}

func (r *Router) refuse(invs []*core.Invocation, err error) {
	results := make([]core.Result, len(invs))
	for i, inv := range invs {
		results[i] = core.Result{Invocation: inv, Outcome: core.Outcome{Class: core.OutcomeFailed, Reason: err.Error()}}
	}
	r.cfg.Deliver(results)
}

// use returns an address's member, which stays open until users is counted down. It is nil when the router is closed.
func (r *Router) use(address string) (*member, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, nil
	}
	m := r.members[address]
	mine := m == nil
	if mine {
		r.closeIdleLocked()
		m = &member{opened: make(chan struct{})}
		r.members[address] = m
	}
	m.users++
	r.mu.Unlock()
	if !mine {
		<-m.opened
		return m, m.err
	}
	return m, r.open(address, m)
}

// open opens a member. One that cannot be opened is tried again by the next that wants it.
func (r *Router) open(address string, m *member) error {
	deliver := func(results []core.Result) {
		r.cfg.Deliver(results)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.measureLocked(m)
	}
	window := func(limit int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.noteLocked(m, limit, m.over)
		r.tellLocked()
	}
	groups, err := r.cfg.Open(address, deliver, window)
	if err != nil {
		err = fmt.Errorf("%s: %w", address, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.groups, m.err = groups, err; err != nil {
		r.leaveLocked(address, m)
		r.tellLocked()
	}
	close(m.opened)
	return err
}

// measureLocked looks how much of what a member has queued is beyond its window: that must not keep others out.
func (r *Router) measureLocked(m *member) {
	if m.groups == nil {
		return
	}
	over := max(m.groups.Stats().Queued-m.window, 0)
	if over = min(over/windowStep*windowStep, largestExtra); over != m.over {
		r.noteLocked(m, m.window, over)
		r.tellLocked()
	}
}

// noteLocked takes note of a member's numbers.
func (r *Router) noteLocked(m *member, window, over int) {
	if m.gone {
		return
	}
	r.window += window - m.window
	r.over += over - m.over
	m.window, m.over = window, over
}

// leaveLocked takes a member out.
func (r *Router) leaveLocked(address string, m *member) {
	r.noteLocked(m, 0, 0)
	m.gone = true
	delete(r.members, address)
}

// tellLocked tells the window of all members together if it has changed.
func (r *Router) tellLocked() {
	if limit := max(r.window, leastWindow) + min(r.over, largestExtra); limit != r.told && !r.closed {
		r.told = limit
		r.cfg.Window(limit)
	}
}

// closeIdleLocked closes the members without work if there are many.
func (r *Router) closeIdleLocked() {
	if len(r.members) < manyMembers {
		return
	}
	for address, m := range r.members {
		if m.groups == nil || m.users > 0 || !m.groups.idle() {
			continue
		}
		r.leaveLocked(address, m)
		r.past.add(m.groups.Stats())
		r.tasks.Go(m.groups.Close)
	}
	r.tellLocked()
}

// Stats are the numbers of all addresses together. It rests if any of them does.
func (r *Router) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.past
	for _, m := range r.members {
		if m.groups == nil {
			continue
		}
		st := m.groups.Stats()
		sum.add(st)
		sum.Limit += st.Limit
		sum.Flying += st.Flying
		sum.Queued += st.Queued
		sum.Resting = sum.Resting || st.Resting
	}
	return sum
}

// add adds the counters of o.
func (s *Stats) add(o Stats) {
	for i := range s.Answers {
		s.Answers[i] += o.Answers[i]
	}
	g, p := &s.Groups, &o.Groups
	g.Groups += p.Groups
	g.Items += p.Items
	g.Bytes += p.Bytes
	g.Splits += p.Splits
	g.Missing += p.Missing
	g.Throttled += p.Throttled
	g.Stray += p.Stray
	g.Busy += p.Busy
	g.Cost += p.Cost
}

// Close closes everything and waits for all goroutines. Invocations without a result get none.
func (r *Router) Close() {
	r.mu.Lock()
	r.closed = true
	members := r.members
	r.members = nil
	for _, m := range members {
		if m.groups != nil {
			r.past.add(m.groups.Stats())
		}
	}
	r.mu.Unlock()
	for _, m := range members {
		if <-m.opened; m.err == nil {
			m.groups.Close()
		}
	}
	r.tasks.Wait()
}
