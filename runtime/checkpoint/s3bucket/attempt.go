package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// request is one request of S3, which may take several attempts.
type request struct {
	op   checkpoint.Request
	size int64 // bytes that it moves, as far as known; they give it time
	send func(context.Context, *limit) error
	// failed is told of each fault, before the next attempt; may be nil.
	failed func(fault)
}

// limit ends an attempt that takes too long.
type limit struct {
	timer *time.Timer
	base  time.Duration
}

const slowest = 1 << 20 // bytes a second that an attempt must move

// extend gives an attempt time for size bytes from now on.
func (l *limit) extend(size int64) {
	l.timer.Reset(l.base + time.Duration(float64(size)/slowest*float64(time.Second)))
}

// do sends a request until it succeeds, or an error that stays, the patience or ctx ends it. The error is the last attempt's, with
// what is known of it.
func (b *Bucket) do(ctx context.Context, r request) error {
	deadline := time.Now().Add(b.opt.Patience + time.Duration(r.size/slowest)*time.Second)
	for n := 0; ; n++ {
		err := b.attempt(ctx, r)
		if err == nil {
			return nil
		}
		f := classify(err)
		f.maybe = f.maybe || ctx.Err() != nil // cancelled on its way
		if r.failed != nil {
			r.failed(f)
		}
		if ctx.Err() != nil {
			return b.ended(ctx, err)
		}
		if f.verdict != again && f.verdict != conflict {
			return &faultError{fault: f, err: b.explain(err)}
		}
		pause := backoff(n, f.cause)
		if (f.verdict == conflict && r.op == checkpoint.RequestMultipart) || time.Now().Add(pause).After(deadline) {
			return &faultError{fault: f, err: b.explain(err)}
		}
		b.retries[f.cause].Add(1)
		if f.cause == checkpoint.RetryCredentials {
			b.invalidate()
		}
		if !sleep(ctx, pause) {
			return b.ended(ctx, err)
		}
	}
}

// ended is the error of a request whose ctx ended, with what its last attempt met.
func (b *Bucket) ended(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, b.explain(err))
}

// attempt sends a request once.
func (b *Bucket) attempt(ctx context.Context, r request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.requests[r.op].Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := &limit{base: b.opt.AttemptTimeout}
	l.timer = time.AfterFunc(time.Hour, func() { cancel(errSlow) })
	defer l.timer.Stop()
	l.extend(r.size)
	err := r.send(ctx, l)
	if err != nil && errors.Is(context.Cause(ctx), errSlow) {
		return fmt.Errorf("%w: %w", errSlow, err)
	}
	return err
}

// faultError is the error that ended a request, understood.
type faultError struct {
	fault fault
	err   error
}

func (e *faultError) Error() string { return e.err.Error() }
func (e *faultError) Unwrap() error { return e.err }

// verdictOf is what do found out about an error.
func verdictOf(err error) verdict {
	var f *faultError
	if errors.As(err, &f) {
		return f.fault.verdict
	}
	return final
}

const (
	firstPause    = 25 * time.Millisecond
	longestPause  = 5 * time.Second
	throttlePause = 200 * time.Millisecond
)

// backoff is the pause before attempt n+2, with jitter.
func backoff(n int, cause checkpoint.RetryCause) time.Duration {
	d := firstPause
	switch cause {
	case checkpoint.RetryThrottle:
		d = throttlePause
	case checkpoint.RetryClock, checkpoint.RetryCredentials:
		if n == 0 {
			return 0 // the next attempt uses another clock, other credentials
		}
	}
	d = min(d<<min(n, 16), longestPause)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secrecy
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Requests is how many requests were sent, by kind. It is checkpoint.Requester's.
func (b *Bucket) Requests() map[checkpoint.Request]uint64 {
	sent := make(map[checkpoint.Request]uint64, len(b.requests))
	for op, n := range b.requests {
		sent[op] = n.Load()
	}
	return sent
}

// Retries is how many of the requests were sent again, by cause.
func (b *Bucket) Retries() map[checkpoint.RetryCause]uint64 {
	counted := make(map[checkpoint.RetryCause]uint64, len(b.retries))
	for cause, n := range b.retries {
		counted[cause] = n.Load()
	}
	return counted
}

func counters[K comparable](keys []K) map[K]*atomic.Uint64 {
	m := make(map[K]*atomic.Uint64, len(keys))
	for _, k := range keys {
		m[k] = new(atomic.Uint64)
	}
	return m
}
