package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
)

const (
	callRate    = 128 << 10 // bytes per second that a bucket must take or give at least
	folderCalls = 12        // a folder of the log has as many times as long to go as one small object
	hangingMost = 256       // calls under way at once, those that were given up and hang included
	callGrace   = 50 * time.Millisecond
)

var (
	errSlowBucket = errors.New("the bucket did not answer in time")
	errHanging    = fmt.Errorf("%d requests to the bucket hang", hangingMost)
	errGivenUp    = errors.New("the call was given up")
)

// patient is a bucket whose calls end in time: each gets so long by its kind and size, and when that is over, or its context ends, the
// caller goes on, also if the bucket underneath does not. What was given up may still happen, as with any lost answer.
type patient struct {
	under   checkpoint.Bucket
	small   time.Duration // for a call without many bytes
	running chan struct{} // of capacity hangingMost: a token per call that the bucket has not returned from
}

var _ checkpoint.Bucket = (*patient)(nil)

func newPatient(under checkpoint.Bucket, small time.Duration) *patient {
	return &patient{under: under, small: small, running: make(chan struct{}, hangingMost)}
}

// limit is how long a call with a body of so many bytes may take.
func (p *patient) limit(size int64) time.Duration {
	return p.small + time.Duration(size/callRate)*time.Second
}

// await makes a call on a goroutine of its own and waits for it, limit at most. An answer that comes later is dropped.
func await[T any](ctx context.Context, p *patient, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	select {
	case p.running <- struct{}{}:
	default:
		return none, errHanging
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlowBucket)
	answers := make(chan answer, 1)
	go func() {
		defer cancel()
		v, err := call(ctx)
		<-p.running
		answers <- answer{v, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(callGrace) // a bucket that heeds its context says more than we can
	defer grace.Stop()
	select {
	case a := <-answers:
		if a.err != nil && errors.Is(context.Cause(ctx), errSlowBucket) {
			a.err = fmt.Errorf("%w within %s: %w", errSlowBucket, limit, a.err)
		}
		return a.value, a.err
	case <-grace.C:
		return none, fmt.Errorf("%w within %s", context.Cause(ctx), limit)
	}
}

// awaitError is await for calls that return an error only.
func awaitError(ctx context.Context, p *patient, limit time.Duration, call func(context.Context) error) error {
	_, err := await(ctx, p, limit, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}

// outcome makes an error of a create that says nothing about the object say so.
func outcome(key string, err error) error {
	if errors.Is(err, errHanging) {
		return fmt.Errorf("create %s: %w", key, err) // it was not even begun
	}
	if errors.Is(err, errSlowBucket) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("create %s: %w: %w", key, checkpoint.ErrUnknownOutcome, err)
	}
	return err
}

// told adds to an error which request it is of, if the bucket did not come to say it.
func told(what, key string, err error) error {
	if errors.Is(err, errSlowBucket) || errors.Is(err, errHanging) {
		return fmt.Errorf("%s %s: %w", what, key, err)
	}
	return err
}

// Create implements checkpoint.Bucket.
func (p *patient) Create(ctx context.Context, key string, body []byte) error {
	return outcome(key, awaitError(ctx, p, p.limit(int64(len(body))), func(ctx context.Context) error {
		return p.under.Create(ctx, key, body)
	}))
}

// CreateFrom implements checkpoint.Bucket. A bucket that hangs reads nothing more of the body once the call was given up.
func (p *patient) CreateFrom(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	lent := &lentBody{body: body}
	defer lent.takeBack()
	return outcome(key, awaitError(ctx, p, p.limit(size), func(ctx context.Context) error {
		return p.under.CreateFrom(ctx, key, lent, size)
	}))
}

// Read implements checkpoint.Bucket.
func (p *patient) Read(ctx context.Context, key string) ([]byte, error) {
	b, err := await(ctx, p, p.limit(0), func(ctx context.Context) ([]byte, error) { return p.under.Read(ctx, key) })
	return b, told("read", key, err)
}

// ReadRange implements checkpoint.Bucket.
func (p *patient) ReadRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	b, err := await(ctx, p, p.limit(n), func(ctx context.Context) ([]byte, error) { return p.under.ReadRange(ctx, key, off, n) })
	return b, told("read", key, err)
}

// ReadTo implements checkpoint.Bucket. A bucket that hangs writes nothing more once the call was given up.
func (p *patient) ReadTo(ctx context.Context, key string, off, n int64, w io.Writer) error {
	lent := &lentWriter{w: w}
	defer lent.takeBack()
	return told("read", key, awaitError(ctx, p, p.limit(n), func(ctx context.Context) error { return p.under.ReadTo(ctx, key, off, n, lent) }))
}

// List implements checkpoint.Bucket.
func (p *patient) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	keys, err := await(ctx, p, p.limit(0), func(ctx context.Context) ([]string, error) { return p.under.List(ctx, prefix, after, limit) })
	return keys, told("list", prefix, err)
}

// Delete implements checkpoint.Bucket.
func (p *patient) Delete(ctx context.Context, key string) error {
	return told("delete", key, awaitError(ctx, p, p.limit(0), func(ctx context.Context) error { return p.under.Delete(ctx, key) }))
}

// DeleteFolder implements checkpoint.Bucket.
func (p *patient) DeleteFolder(ctx context.Context, folder string) error {
	return told("delete folder", folder, awaitError(ctx, p, folderCalls*p.limit(0), func(ctx context.Context) error {
		return p.under.DeleteFolder(ctx, folder)
	}))
}

// lentBody is a body that can be taken back from whoever still reads it.
type lentBody struct {
	body io.ReaderAt

	mu   sync.RWMutex // held for reading while the body is read
	back bool         // guarded by mu
}

// ReadAt implements io.ReaderAt.
func (l *lentBody) ReadAt(b []byte, off int64) (int, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.back {
		return 0, errGivenUp
	}
	return l.body.ReadAt(b, off)
}

func (l *lentBody) takeBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back = true
}

// lentWriter is a writer that can be taken back from whoever still writes to it.
type lentWriter struct {
	w io.Writer

	mu   sync.Mutex // held while it is written to
	back bool       // guarded by mu
}

// Write implements io.Writer.
func (l *lentWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.back {
		return 0, errGivenUp
	}
	return l.w.Write(b)
}

func (l *lentWriter) takeBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back = true
}
