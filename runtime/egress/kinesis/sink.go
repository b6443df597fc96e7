package kinesis

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/egress"
)

// entry is one record on its way.
type entry struct {
	batch *batch // constant, like all of it
	index int    // in the batch

	stream     string
	hash       kpl.Hash
	key        string
	explicit   string // empty if none
	data       []byte
	windowSize int64
}

// size is what the record counts against the limits.
func (e *entry) size() int { return len(e.data) + len(e.key) }

// batch is what was handed over in one call.
type batch struct {
	// finish answers entries from to to (exclusive), whose window sizes have this sum. It is called without locks, by any goroutine.
	finish func(from, to int, size int64, err error)

	seq  uint64 // guarded by sink.mu
	gone bool   // nobody waits for answers any more; guarded by sink.mu
}

// sink is what both forms write to.
type sink struct {
	opts   Options            // constant
	ctx    context.Context    //nolint:containedctx // ends every call at Close; calls of many callers travel together
	cancel context.CancelFunc // of ctx
	work   sync.WaitGroup     // calls and listings

	mu      sync.Mutex         // never held across I/O or while answering
	streams map[string]*stream // guarded by mu
	batches uint64             // guarded by mu
	gone    Stats              // of streams that were dropped; guarded by mu
	closed  bool               // guarded by mu
}

// maxStreams is how many streams are kept though nothing goes there.
const maxStreams = 1000

func newSink(o Options) *sink {
	s := &sink{opts: o, streams: map[string]*stream{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// submit takes entries of b, in order. Each is answered once, unless b is withdrawn.
func (s *sink) submit(b *batch, entries []*entry) {
	var out answers
	s.mu.Lock()
	s.batches++
	b.seq = s.batches
	now := time.Now()
	touched := make([]*stream, 0, 4)
	for _, e := range entries {
		if s.closed {
			out.add(e, egress.ErrClosed)
			continue
		}
		st := s.streamLocked(e.stream)
		if err := st.add(e, now); err != nil {
			out.add(e, err)
			continue
		}
		if !slices.Contains(touched, st) {
			touched = append(touched, st)
		}
	}
	for _, st := range touched {
		st.pump(now)
	}
	s.mu.Unlock()
	out.give()
}

func (s *sink) streamLocked(name string) *stream {
	st := s.streams[name]
	if st != nil {
		return st
	}
	if len(s.streams) >= maxStreams {
		s.dropIdleLocked()
	}
	st = newStream(s, name)
	s.streams[name] = st
	return st
}

// dropIdleLocked forgets one stream to which nothing goes, if there is one.
func (s *sink) dropIdleLocked() {
	for name, st := range s.streams {
		if st.queued == 0 && st.calls == 0 && !st.listing {
			st.stopTimer()
			s.gone.add(&st.stats)
			delete(s.streams, name)
			return
		}
	}
}

// withdraw makes the sink forget b: what is not in a call will never be.
func (s *sink) withdraw(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.gone = true
	for _, st := range s.streams {
		st.withdraw(b)
	}
}

// close answers what waits with ErrClosed, lets open calls end for a moment, then gives them up. It returns when all is answered.
func (s *sink) close() {
	var out answers
	s.mu.Lock()
	s.closed = true
	for _, st := range s.streams {
		st.stopTimer()
		st.fail(egress.ErrClosed, &out)
	}
	s.mu.Unlock()
	out.give()
	giveUp := time.AfterFunc(closeGrace, s.cancel)
	s.work.Wait()
	giveUp.Stop()
	s.cancel()
}

// answers are collected under a lock and given without one.
type answers struct {
	list []answer
}

type answer struct {
	entry *entry
	err   error
}

func (a *answers) add(e *entry, err error) {
	if e.batch.gone {
		return
	}
	a.list = append(a.list, answer{e, err})
}

// give answers runs of entries at once.
func (a *answers) give() {
	slices.SortFunc(a.list, func(x, y answer) int {
		return cmp.Or(cmp.Compare(x.entry.batch.seq, y.entry.batch.seq), cmp.Compare(x.entry.index, y.entry.index))
	})
	for from := 0; from < len(a.list); {
		first, size := a.list[from], a.list[from].entry.windowSize
		to := from + 1
		for ; to < len(a.list); to++ {
			next := a.list[to]
			if next.entry.batch != first.entry.batch || next.entry.index != first.entry.index+to-from || next.err != first.err { //nolint:errorlint // the same one
				break
			}
			size += next.entry.windowSize
		}
		first.entry.batch.finish(first.entry.index, first.entry.index+to-from, size, first.err)
		from = to
	}
}
