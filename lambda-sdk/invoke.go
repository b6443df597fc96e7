package stateway

import (
	"context"
	"sync"

	"github.com/stateway/stateway/protocol/trace"
)

// Largest memory that is kept for the next call, in entries and in bytes.
const (
	maxKeptEntries = 4 << 10
	maxKeptArena   = 1 << 20
)

// scratch is the memory of one call of Invoke.
type scratch struct {
	batch   Batch
	effects Effects
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Invoke answers an encoded ToFunction with an encoded FromFunction, as the HTTP handler does: for Lambda handlers and
// servers of one's own. It keeps nothing of request, which handlers must not change meanwhile.
//
// An error means that nothing took effect: the request could not be read, the function is unknown, or a handler
// failed (also by a panic, see PanicError). Safe for concurrent use.
func (a *App) Invoke(ctx context.Context, request []byte) ([]byte, error) {
	return a.invoke(ctx, request, nil)
}

func (a *App) invoke(ctx context.Context, request []byte, tr *trace.Context) ([]byte, error) {
	s := scratches.Get().(*scratch)
	defer s.release()
	if err := a.registry.Load().decodeToFunction(request, &s.batch); err != nil {
		return nil, err
	}
	s.batch.Traceparent = tr.String()
	if err := a.Run(ctx, &s.batch, &s.effects); err != nil {
		return nil, err
	}
	return s.effects.AppendFromFunction(nil), nil
}

func (s *scratch) release() {
	entries := max(cap(s.batch.Messages), cap(s.effects.Messages), cap(s.effects.Delayed), cap(s.effects.Egress))
	if entries > maxKeptEntries || cap(s.effects.arena) > maxKeptArena {
		return
	}
	s.batch.Reset()
	s.effects.Reset()
	scratches.Put(s)
}
