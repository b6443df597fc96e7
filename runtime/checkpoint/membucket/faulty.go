package membucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// Op is a request that is about to reach the bucket.
type Op struct {
	Kind OpKind
	Key  string // or prefix, or folder
	Size int64  // of a body or range, in bytes
}

// OpKind says which method was called.
type OpKind uint8

// The kinds of requests.
const (
	OpCreate OpKind = iota
	OpCreateFrom
	OpRead
	OpReadRange
	OpList
	OpDelete
	OpDeleteFolder
)

// String is the method's name.
func (k OpKind) String() string {
	names := [...]string{"Create", "CreateFrom", "Read", "ReadRange", "List", "Delete", "DeleteFolder"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("op(%d)", uint8(k))
}

// Fault is what happens to a request. The zero Fault is none.
type Fault struct {
	Before error // the request never arrives and this is its error
	After  error // the request is carried out and its answer is lost; this is the error instead
	// Behind is how many of the newest creates and deletes a List does not see yet, at most 256.
	Behind int
	// Delay is how long the request takes. It is handed to Faulty.Slow, which may pass a virtual time.
	Delay time.Duration
}

// ErrInjected is a cause for Fault.Before and Fault.After.
var ErrInjected = errors.New("injected fault")

// Faulty is a Bucket whose requests meet the faults that a hook decides. The hook is called once per
// request, on the caller's goroutine, so that a run with one goroutine and a seeded hook repeats.
type Faulty struct {
	Under *Bucket
	// Hook decides; nil means no faults. An unknown outcome is what the caller of a create sees of
	// Before and After alike: both errors come wrapped with checkpoint.ErrUnknownOutcome then.
	Hook func(Op) Fault
	// Slow is told of every delay above zero, before the request; nil means that delays pass at once.
	Slow func(Op, time.Duration)
}

var _ checkpoint.Bucket = (*Faulty)(nil)

// do meets the fault of op and runs the request, unless it must not arrive.
func (f *Faulty) do(op Op, request func(Fault) error) error {
	var fault Fault
	if f.Hook != nil {
		fault = f.Hook(op)
	}
	if fault.Delay > 0 && f.Slow != nil {
		f.Slow(op, fault.Delay)
	}
	if fault.Before != nil {
		return op.failed(fault.Before)
	}
	err := request(fault)
	if fault.After != nil {
		return op.failed(fault.After)
	}
	return err
}

func (op Op) failed(cause error) error {
	if op.Kind == OpCreate || op.Kind == OpCreateFrom {
		return fmt.Errorf("%s %s: %w: %w", op.Kind, op.Key, checkpoint.ErrUnknownOutcome, cause)
	}
	return fmt.Errorf("%s %s: %w", op.Kind, op.Key, cause)
}

// Create implements checkpoint.Bucket.
func (f *Faulty) Create(ctx context.Context, key string, body []byte) error {
	return f.do(Op{OpCreate, key, int64(len(body))}, func(Fault) error { return f.Under.Create(ctx, key, body) })
}

// CreateFrom implements checkpoint.Bucket.
func (f *Faulty) CreateFrom(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	return f.do(Op{OpCreateFrom, key, size}, func(Fault) error { return f.Under.CreateFrom(ctx, key, body, size) })
}

// Read implements checkpoint.Bucket.
func (f *Faulty) Read(ctx context.Context, key string) (b []byte, err error) {
	err = f.do(Op{Kind: OpRead, Key: key}, func(Fault) error { b, err = f.Under.Read(ctx, key); return err })
	return orNil(b, err), err
}

// ReadRange implements checkpoint.Bucket.
func (f *Faulty) ReadRange(ctx context.Context, key string, off, n int64) (b []byte, err error) {
	err = f.do(Op{OpReadRange, key, n}, func(Fault) error { b, err = f.Under.ReadRange(ctx, key, off, n); return err })
	return orNil(b, err), err
}

// ReadTo implements checkpoint.Bucket. To the hook it is a ReadRange.
func (f *Faulty) ReadTo(ctx context.Context, key string, off, n int64, w io.Writer) error {
	return f.do(Op{OpReadRange, key, n}, func(Fault) error { return f.Under.ReadTo(ctx, key, off, n, w) })
}

// List implements checkpoint.Bucket.
func (f *Faulty) List(ctx context.Context, prefix, after string, limit int) (keys []string, err error) {
	err = f.do(Op{Kind: OpList, Key: prefix}, func(fault Fault) error {
		keys, err = f.Under.ListBehind(ctx, prefix, after, limit, fault.Behind)
		return err
	})
	return orNil(keys, err), err
}

// Delete implements checkpoint.Bucket.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	return f.do(Op{Kind: OpDelete, Key: key}, func(Fault) error { return f.Under.Delete(ctx, key) })
}

// DeleteFolder implements checkpoint.Bucket.
func (f *Faulty) DeleteFolder(ctx context.Context, folder string) error {
	return f.do(Op{Kind: OpDeleteFolder, Key: folder}, func(Fault) error { return f.Under.DeleteFolder(ctx, folder) })
}

func orNil[T any](v []T, err error) []T {
	if err != nil {
		return nil
	}
	return v
}
