package http

import (
	"math/rand/v2"
	nethttp "net/http"
	"sync"
	"time"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
)

// job is an invocation to be sent, or a Request.
type job struct {
	route    *route
	inv      *core.Invocation
	post     Request
	patience time.Duration // that of post, when it was taken off the queue
}

// trace is the trace context that goes with the request, nil if there is none.
func (j *job) trace() *trace.Context {
	if j.post != nil {
		return j.post.Trace()
	}
	return j.inv.Trace()
}

// lane makes one request at a time.
type lane interface {
	// exchange sends an invocation and returns what became of it.
	exchange(j job) core.Outcome
	// post sends a Request.
	post(j job) *Answer
	// close ends the lane; an exchange that runs fails soon.
	close()
}

// pool has the lanes to one host. A lane has a goroutine only while it has jobs.
type pool struct {
	client *Client         // set by newPool, then constant, as what follows
	lean   bool            // lanes are connections of our own
	std    *nethttp.Client // otherwise, and for redirects

	mu     sync.Mutex
	queue  fifo
	soon   int        // lanes that are handing over a result and will then look at the queue
	idle   []idleLane // the one used last at the end
	lanes  map[lane]struct{}
	sweep  *time.Timer // closes idle lanes whose time is up; nil while there is none
	due    time.Time   // when sweep fires
	closed bool
}

// idleLane is a lane without a job. retire is the time at which it is given up, zero for never.
type idleLane struct {
	lane   lane
	retire time.Time
}

func newPool(c *Client, r *route) *pool {
	p := &pool{client: c, lean: !r.tls && c.cfg.Proxy == nil && !c.cfg.HTTP2, lanes: make(map[lane]struct{})}
	if !p.lean || c.cfg.Transport == OkHTTP {
		p.std = newStd(&c.cfg, c.tls, r)
	}
	return p
}

// send takes invocations, all or, when the pool is closed, none.
func (p *pool) send(r *route, invs []*core.Invocation) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	for _, inv := range invs {
		p.sendLocked(job{route: r, inv: inv})
	}
	return true
}

// sendPost takes a Request, unless the pool is closed.
func (p *pool) sendPost(r *route, post Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.sendLocked(job{route: r, post: post})
	}
	return !p.closed
}

func (p *pool) sendLocked(j job) {
	if p.soon > p.queue.len() {
		p.queue.push(j) // spares a goroutine's start
		return
	}
	if l, ok := p.freeLaneLocked(); ok {
		p.client.tasks.Add(1)
		go p.run(l, j)
		return
	}
	p.queue.push(j)
}

// freeLaneLocked returns an idle lane or a new one, unless there are as many as there may be.
func (p *pool) freeLaneLocked() (idleLane, bool) {
	if n := len(p.idle); n > 0 {
		l := p.idle[n-1]
		p.idle[n-1] = idleLane{}
		p.idle = p.idle[:n-1]
		return l, true
	}
	if len(p.lanes) >= p.client.cfg.PoolSize {
		return idleLane{}, false
	}
	l := p.newLane()
	p.lanes[l.lane] = struct{}{}
	return l, true
}

func (p *pool) newLane() idleLane {
	var l idleLane
	if p.lean {
		l.lane = &conn{client: p.client, pool: p}
	} else {
		l.lane = &stdLane{client: p.client, std: p.std}
	}
	if ttl := p.client.cfg.PoolTTL; ttl > 0 {
		jitter := time.Second + rand.N(2*time.Second) //nolint:gosec // spreads reconnects, no secret
		l.retire = time.Now().Add(ttl + jitter)
	}
	return l
}

// run serves jobs until there is none left.
func (p *pool) run(l idleLane, j job) {
	defer p.client.tasks.Done()
	for ok := true; ok; l, j, ok = p.next(l) {
		if j.post != nil {
			j.patience = j.post.Patience()
			a := l.lane.post(j)
			p.handsOver()
			j.post.Answered(a)
			continue
		}
		o := l.lane.exchange(j)
		p.handsOver()
		p.client.out.Put(core.Result{Invocation: j.inv, Outcome: o})
	}
}

func (p *pool) handsOver() {
	p.mu.Lock()
	p.soon++
	p.mu.Unlock()
}

// next takes the job that waits longest; without one the lane goes idle. A lane whose time is up is closed; if a job
// waits, a new one takes its place.
func (p *pool) next(l idleLane) (idleLane, job, bool) {
	old := !l.retire.IsZero() && !time.Now().Before(l.retire)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.soon--
	if p.closed {
		return l, job{}, false
	}
	if old {
		l.lane.close()
		delete(p.lanes, l.lane)
	}
	if p.queue.len() == 0 {
		if !old {
			p.idle = append(p.idle, l)
			p.armLocked(l.retire)
		}
		return l, job{}, false
	}
	if old {
		l = p.newLane()
		p.lanes[l.lane] = struct{}{}
	}
	return l, p.queue.pop(), true
}

func (p *pool) armLocked(at time.Time) {
	if at.IsZero() || (p.sweep != nil && !at.Before(p.due)) {
		return
	}
	if p.sweep != nil {
		p.sweep.Stop()
	}
	p.due = at
	p.sweep = time.AfterFunc(time.Until(at), p.closeOld)
}

// closeOld closes the idle lanes whose time is up.
func (p *pool) closeOld() {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep = nil
	if p.closed {
		return
	}
	kept := p.idle[:0]
	var first time.Time
	for _, l := range p.idle {
		if !now.Before(l.retire) {
			l.lane.close()
			delete(p.lanes, l.lane)
			continue
		}
		kept = append(kept, l)
		if first.IsZero() || l.retire.Before(first) {
			first = l.retire
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	p.armLocked(first)
}

// closeUnused closes the pool if it has neither lanes nor jobs, and reports whether it did.
func (p *pool) closeUnused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lanes) == 0 && p.queue.len() == 0 {
		p.closed = true
	}
	return p.closed
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweep != nil {
		p.sweep.Stop()
	}
	for l := range p.lanes {
		l.close()
	}
	p.lanes, p.idle, p.queue = nil, nil, fifo{}
	if p.std != nil {
		p.std.CloseIdleConnections()
	}
}

// fifo is a queue of jobs in one growing slice.
type fifo struct {
	jobs []job
	head int
}

func (q *fifo) len() int { return len(q.jobs) - q.head }

func (q *fifo) push(j job) {
	if len(q.jobs) == cap(q.jobs) && q.head > len(q.jobs)/2 {
		n := copy(q.jobs, q.jobs[q.head:])
		clear(q.jobs[n:])
		q.jobs, q.head = q.jobs[:n], 0
	}
	q.jobs = append(q.jobs, j)
}

func (q *fifo) pop() job {
	j := q.jobs[q.head]
	q.jobs[q.head] = job{}
	q.head++
	if q.head == len(q.jobs) {
		q.jobs, q.head = q.jobs[:0], 0
	}
	return j
}
