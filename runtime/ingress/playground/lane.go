package playground

import (
	"context"
	"sync"

	"github.com/stateway/stateway/runtime/ingress"
)

// lane is one partition: the sink of the Read that runs, if one does.
type lane struct {
	mu      sync.Mutex
	reading *reading      // guarded by mu
	changed chan struct{} // guarded by mu: closed and replaced when reading is
}

// reading is one Read. Requests put into its sink themselves, between enter and leave.
type reading struct {
	ctx    context.Context //nolint:containedctx // of the Read, which waits for all that use it
	sink   ingress.Sink
	inside sync.WaitGroup
}

func newLane() *lane { return &lane{changed: make(chan struct{})} }

// run makes sink the lane's until ctx ends and nobody uses it any more.
func (l *lane) run(ctx context.Context, sink ingress.Sink) error {
	r := &reading{ctx: ctx, sink: sink}
	l.set(r)
	<-ctx.Done()
	l.set(nil)
	r.inside.Wait()
	return ctx.Err()
}

func (l *lane) set(r *reading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading = r
	close(l.changed)
	l.changed = make(chan struct{})
}

// enter waits for a Read and returns it; the caller calls leave. It fails when ctx ends.
func (l *lane) enter(ctx context.Context) (*reading, error) {
	for {
		l.mu.Lock()
		r, changed := l.reading, l.changed
		if r != nil {
			r.inside.Add(1)
		}
		l.mu.Unlock()
		if r != nil {
			return r, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// put hands b to the sink of the Read that runs, and waits for one and for credit until ctx ends.
func (l *lane) put(ctx context.Context, b ingress.Batch) error {
	r, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer r.inside.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	return r.sink.Put(ctx, b)
}
