package embedded

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

const (
	chunk    = 64                   // invocations that a runner takes at a time
	few      = 8                    // invocations that are worth a runner of their own
	interval = 2 * time.Millisecond // between two looks at the runners; one stuck for longer hands over what it has
)

// Pool runs functions. Make it with New.
type Pool struct {
	cfg    Config
	done   func([]core.Result)
	ctx    context.Context //nolint:containedctx // ends all tries at Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup // runners, and who looks at them

	mu      sync.Mutex // may be held while a runner's mu is taken, not the other way round
	queue   []*core.Invocation
	head    int
	runners []*runner
	stuck   int         // runners in a function that waits
	look    *time.Timer // nil while there are no runners
	closed  bool
}

// New makes a Pool. done gets the results, many at a time, valid only during the call; it is called by many goroutines and must not block.
func New(cfg Config, done func([]core.Result)) (*Pool, error) {
	if cfg.Function == nil {
		return nil, errors.New("embedded endpoint: no Function")
	}
	if cfg.Call <= 0 {
		cfg.Call = time.Minute
	}
	if cfg.Runners <= 0 {
		cfg.Runners = runtime.GOMAXPROCS(0)
	}
	if cfg.MaxRunning <= 0 {
		cfg.MaxRunning = 1024
	}
	p := &Pool{cfg: cfg, done: done}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Send takes invocations. It never blocks and does not keep the slice. After Close it does nothing.
func (p *Pool) Send(invs []*core.Invocation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if len(p.queue)+len(invs) > cap(p.queue) && p.head > len(p.queue)/2 {
		p.queue, p.head = append(p.queue[:0], p.queue[p.head:]...), 0
	}
	p.queue = append(p.queue, invs...)
	p.startLocked()
}

// startLocked starts runners for what is queued.
func (p *Pool) startLocked() {
	for n := len(p.queue) - p.head; n > 0 && len(p.runners)-p.stuck < p.cfg.Runners && len(p.runners) < p.cfg.MaxRunning; n -= few {
		r := &runner{pool: p}
		p.runners = append(p.runners, r)
		p.tasks.Add(1)
		go r.run()
	}
	if p.look == nil && len(p.runners) > 0 {
		p.look = time.AfterFunc(interval, p.lookAtRunners)
	}
}

// take gives a runner its next chunk; without one, the runner must end.
func (p *Pool) take(r *runner) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stuck {
		r.stuck = false
		p.stuck--
	}
	n := len(p.queue) - p.head
	if n == 0 || p.closed || len(p.runners)-p.stuck > p.cfg.Runners { // too many once those that waited are back
		p.removeLocked(r)
		return false
	}
	n = min(n, chunk, n/p.cfg.Runners+1)
	part := p.queue[p.head : p.head+n]
	r.chunk = append(r.chunk[:0], part...)
	clear(part)
	if p.head += n; p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
	}
	return true
}

func (p *Pool) removeLocked(r *runner) {
	i := slices.Index(p.runners, r)
	last := len(p.runners) - 1
	p.runners[i] = p.runners[last]
	p.runners[last] = nil
	p.runners = p.runners[:last]
}

// lookAtRunners finds runners that are stuck in a function, takes over what they hold and gives up what is overdue.
func (p *Pool) lookAtRunners() {
	var results []core.Result
	now := time.Now()
	p.mu.Lock()
	p.look = nil
	if p.closed {
		p.mu.Unlock()
		return
	}
	for _, r := range p.runners {
		var back []*core.Invocation
		results, back = r.look(now, results)
		if len(back) > 0 {
			p.queue = append(slices.Clone(back), p.queue[p.head:]...)
			p.head = 0
		}
	}
	p.startLocked()
	p.tasks.Add(1)
	defer p.tasks.Done()
	p.mu.Unlock()
	p.deliver(results)
}

func (p *Pool) deliver(results []core.Result) {
	if len(results) > 0 && p.ctx.Err() == nil {
		p.done(results)
	}
}

// Close lets no further function start, ends the context of those that run and waits until they have returned.
// Invocations without a result get none.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.queue, p.head = nil, 0
	if p.look != nil {
		p.look.Stop()
	}
	p.mu.Unlock()
	p.cancel()
	p.tasks.Wait()
}
