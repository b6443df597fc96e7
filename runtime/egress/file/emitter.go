package file

import (
	"fmt"
	"sync"

	"github.com/stateway/stateway/runtime/egress"
)

// Emitter is the at-least-once form: lanes append lines to one buffer, and one goroutine writes and
// syncs what has gathered since its last sync.
type Emitter struct {
	opts   Options        // constant
	window *egress.Window // safe for concurrent use
	wake   chan struct{}  // holds one token when there may be something to write
	writer sync.WaitGroup

	mu     sync.Mutex // never held across I/O or while calling done
	lines  []byte     // guarded by mu
	calls  []call     // guarded by mu: whose lines those are, in order
	closed bool       // guarded by mu

	files files // owned by the writer goroutine
	data  file  // likewise: nil until opened, and after a failure
	end   int64 // likewise: what is synced and counts
}

// call is one Emit that is not done.
type call struct {
	lane    int
	records int
	size    int64 // in the lane's window
	done    egress.Done
}

// OpenEmitter checks the options and starts the writer. The file is opened and locked when the first
// record comes; errors from then on go to done.
func OpenEmitter(opts Options) (*Emitter, error) {
	opts, err := opts.prepare()
	if err != nil {
		return nil, err
	}
	return newEmitter(opts, disk{}), nil
}

func newEmitter(opts Options, fs files) *Emitter {
	e := &Emitter{
		opts:   opts,
		window: egress.NewWindow(opts.Lanes, opts.Records, opts.Bytes),
		wake:   make(chan struct{}, 1),
		files:  fs,
	}
	e.writer.Go(e.run)
	return e
}

// Validate refuses records of the SDKs' egress types that cannot be read; any other value is good.
func (e *Emitter) Validate(typename string, value []byte) error {
	return validateRecord(typename, value)
}

// Emit takes records for as far as the lane's window has room. They are done when synced.
func (e *Emitter) Emit(lane int, recs []egress.Record, done egress.Done) int {
	n := e.window.Reserve(lane, recs)
	if n == 0 {
		return 0
	}
	c := call{lane: lane, records: n, done: done}
	var lines []byte
	for i := range recs[:n] {
		c.size += egress.WindowSize(&recs[i])
		lines = appendLine(lines, &recs[i], recs[i].EmissionID(e.opts.Application))
	}
	e.mu.Lock()
	closed := e.closed
	if !closed {
		e.lines = append(e.lines, lines...)
		e.calls = append(e.calls, c)
	}
	e.mu.Unlock()
	if closed {
		e.finish(c, egress.ErrClosed)
		return n
	}
	select {
	case e.wake <- struct{}{}:
	default: // the writer will look anyway
	}
	return n
}

func (e *Emitter) finish(c call, err error) {
	e.window.Release(c.lane, c.records, c.size)
	c.done(0, c.records, err)
}

// run writes until Close.
func (e *Emitter) run() {
	var spare []byte
	for range e.wake {
		lines, calls, closed := e.swap(spare[:0])
		err := error(egress.ErrClosed)
		if !closed && len(calls) > 0 {
			err = e.write(lines)
		}
		for _, c := range calls {
			e.finish(c, err)
		}
		if spare = lines; cap(spare) > 16*chunk {
			spare = nil
		}
		if closed {
			break
		}
	}
	if e.data != nil {
		e.data.Close()
	}
}

// swap takes what has gathered and leaves an empty buffer.
func (e *Emitter) swap(empty []byte) (lines []byte, calls []call, closed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	lines, calls = e.lines, e.calls
	e.lines, e.calls = empty, nil
	return lines, calls, e.closed
}

// write appends lines and syncs them. After an error the file is opened and repaired anew.
func (e *Emitter) write(lines []byte) error {
	err := e.tryWrite(lines)
	if err == nil {
		return nil
	}
	if e.data != nil {
		e.data.Close()
		e.data = nil
	}
	return fmt.Errorf("file egress %s: %w", e.opts.Path, err)
}

func (e *Emitter) tryWrite(lines []byte) error {
	if e.data == nil {
		if err := e.open(); err != nil {
			return err
		}
	}
	for len(lines) > 0 {
		part := lines[:min(len(lines), maxUnsynced)]
		if _, err := e.data.WriteAt(part, e.end); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if err := e.data.Sync(); err != nil {
			return fmt.Errorf("sync: %w", err)
		}
		e.end += int64(len(part))
		lines = lines[len(part):]
	}
	return nil
}

func (e *Emitter) open() error {
	f, err := e.files.Open(e.opts.Path)
	if err != nil {
		return err
	}
	e.data = f
	if err := f.Lock(); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if e.end, err = repair(f); err != nil {
		return fmt.Errorf("repair its end: %w", err)
	}
	if err := e.files.SyncFolder(e.opts.Path); err != nil {
		return fmt.Errorf("sync its folder: %w", err)
	}
	return nil
}

// Close waits for the write that runs, and answers the records that gathered since with ErrClosed.
func (e *Emitter) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
	e.writer.Wait()
	return nil
}
