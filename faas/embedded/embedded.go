// Package embedded is the endpoint that runs Go functions in the node's own process.
//
// Always true: an invocation that was sent gets exactly one result, unless the endpoint is closed first; a function
// that panics or exceeds its call budget fails its own invocation only; a function that waits delays no other: what is
// queued behind it is taken over within a few milliseconds.
//
// Used by faas/endpoint. A Pool is safe for concurrent use.
package embedded

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stateway/stateway/faas/reqreply"
	"github.com/stateway/stateway/runtime/core"
)

// Function runs invocation batches. Invoke is called by many goroutines at a time, never twice at a time for one
// Address except that a try which was given up may still run. It must neither keep nor change inv; ctx ends when the
// try is given up or the endpoint is closed. Values in the outcome must not change afterwards.
type Function interface {
	Invoke(ctx context.Context, inv *core.Invocation) core.Outcome
}

// Func makes a plain function a Function.
type Func func(ctx context.Context, inv *core.Invocation) core.Outcome

// Invoke calls f.
func (f Func) Invoke(ctx context.Context, inv *core.Invocation) core.Outcome { return f(ctx, inv) }

// Bytes makes a Function of one that takes an encoded ToFunction and returns an encoded FromFunction, as an SDK's
// application does. An error is the invocation's failure. fn may keep neither of them: toFunction is reused when it has
// returned, and what it returns must not change.
func Bytes(fn func(ctx context.Context, toFunction []byte) ([]byte, error)) Function {
	return &bytesFunction{fn: fn}
}

type bytesFunction struct {
	fn      func(context.Context, []byte) ([]byte, error)
	scratch sync.Pool // of *scratch
}

type scratch struct {
	codec reqreply.Codec
	buf   []byte
}

const roomKept = 1 << 20 // bytes of a request's room; a larger one is given back

func (f *bytesFunction) Invoke(ctx context.Context, inv *core.Invocation) core.Outcome {
	s, ok := f.scratch.Get().(*scratch)
	if !ok || cap(s.buf) > roomKept {
		s = new(scratch)
	}
	s.codec.Prepare(inv)
	s.buf = s.codec.AppendRequest(s.buf[:0])
	answer, err := f.fn(ctx, s.buf)
	if err != nil {
		return failed("the function returned an error: %v", err)
	}
	resp, err := s.codec.ParseAnswer(answer)
	if err != nil {
		return failed("%v", err)
	}
	f.scratch.Put(s) // not after a panic or a failure: who knows what still uses it
	return core.Outcome{Class: core.OutcomeOK, Response: resp}
}

func failed(format string, args ...any) core.Outcome {
	return core.Outcome{Class: core.OutcomeFailed, Reason: fmt.Sprintf(format, args...)}
}

// Config describes an embedded endpoint. The zero value of a field means its default.
type Config struct {
	Function Function
	// Call bounds one try. Default: 1 min. A function that exceeds it goes on as long as it likes, and nobody looks at
	// what it returns.
	Call time.Duration
	// Runners is how many functions that do not wait run at a time. Default: GOMAXPROCS.
	Runners int
	// MaxRunning is how many functions may run at a time, those that wait included. Default: 1024.
	MaxRunning int
}
