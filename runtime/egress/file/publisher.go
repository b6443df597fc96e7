package file

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

// chunk is how many encoded bytes are written at a time.
const chunk = 1 << 20

// Publisher is the after-commit form. It has one lane: the file holds checkpoint after checkpoint,
// within one the records by shard, then by key.
type Publisher struct {
	opts  Options // constant
	files files   // constant

	mu     sync.Mutex // held through every call
	data   file       // nil before Published; locked
	side   file       // nil unless ready
	header []byte     // of side
	room   int        // entries that still fit into side
	last   entry      // the newest that is durable
	buf    []byte     // scratch
}

// OpenPublisher checks the options. The file is opened, locked and cut by Published.
func OpenPublisher(opts Options) (*Publisher, error) {
	opts, err := opts.prepare()
	if err != nil {
		return nil, err
	}
	return &Publisher{opts: opts, files: disk{}}, nil
}

// Validate refuses records of the SDKs' egress types that cannot be read; any other value is good.
func (p *Publisher) Validate(typename string, value []byte) error {
	return validateRecord(typename, value)
}

// Lanes is 1.
func (p *Publisher) Lanes() int { return 1 }

// Published locks the file against other processes, cuts off what no complete checkpoint covers, and
// tells the last one. It fails while another process holds the lock, if the file is shorter than
// PATH.offsets says, if one of the two is of another application or missing, and if PATH.offsets
// is damaged.
func (p *Publisher) Published(ctx context.Context, lane int) (core.CheckpointID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.check(ctx, lane); err != nil {
		return 0, err
	}
	if err := p.restore(); err != nil {
		p.closeSide()
		return 0, fmt.Errorf("file egress %s: %w", p.opts.Path, err)
	}
	return p.last.checkpoint, nil
}

func (p *Publisher) check(ctx context.Context, lane int) error {
	if p.files == nil {
		return egress.ErrClosed
	}
	if lane != 0 {
		return fmt.Errorf("file egress %s has lane 0 alone, not %d", p.opts.Path, lane)
	}
	return ctx.Err()
}

func (p *Publisher) sidePath() string { return p.opts.Path + ".offsets" }

// restore brings both files to the state that the newest durable entry describes.
func (p *Publisher) restore() error {
	p.closeSide()
	if err := p.openData(); err != nil {
		return err
	}
	size, err := p.data.Size()
	if err != nil {
		return err
	}
	side, err := p.readSide(size)
	if err != nil {
		return err
	}
	p.last = side.last()
	if size < p.last.end {
		return fmt.Errorf("it has %d bytes, but %s says that checkpoint %d ends at byte %d: put the file back, or move both away to start anew",
			size, p.sidePath(), p.last.checkpoint, p.last.end)
	}
	if err := p.data.Truncate(p.last.end); err != nil {
		return fmt.Errorf("cut at byte %d: %w", p.last.end, err)
	}
	// Written anew, because an entry whose sync failed may be read back from memory alone.
	return p.writeSide()
}

func (p *Publisher) openData() error {
	if p.data != nil {
		return nil
	}
	f, err := p.files.Open(p.opts.Path)
	if err != nil {
		return err
	}
	if err := f.Lock(); err != nil {
		f.Close()
		return fmt.Errorf("lock: %w", err)
	}
	p.data = f
	return nil
}

func (p *Publisher) readSide(dataSize int64) (*sidecar, error) {
	b, err := p.files.ReadAll(p.sidePath())
	if errors.Is(err, os.ErrNotExist) {
		if dataSize > 0 {
			return nil, fmt.Errorf("it has %d bytes, but there is no %s that says what they are: move the file away, or choose another path",
				dataSize, p.sidePath())
		}
		return &sidecar{app: p.opts.Application}, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := decodeSidecar(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: move it and the file away to start anew", p.sidePath(), err)
	}
	if s.app != p.opts.Application {
		return nil, fmt.Errorf("it belongs to application %s, this one is %s: choose another path, or move the file and %s away",
			s.app, p.opts.Application, p.sidePath())
	}
	return s, nil
}

// writeSide replaces PATH.offsets by one that holds the newest entry alone, and opens it.
func (p *Publisher) writeSide() error {
	p.header = appendHeader(nil, p.opts.Application)
	b := p.header
	if p.last.checkpoint > 0 {
		b = appendEntry(b[:headerSize:headerSize], p.header, p.last)
	}
	next := p.sidePath() + ".new"
	if err := p.create(next, b); err != nil {
		return fmt.Errorf("write %s: %w", next, err)
	}
	if err := p.files.Rename(next, p.sidePath()); err != nil {
		return err
	}
	if err := p.files.SyncFolder(p.opts.Path); err != nil { // the file's own name too
		return fmt.Errorf("sync its folder: %w", err)
	}
	p.closeSide() // the replaced one
	side, err := p.files.Open(p.sidePath())
	if err != nil {
		return err
	}
	p.side, p.room = side, maxEntries
	return nil
}

func (p *Publisher) create(name string, b []byte) error {
	f, err := p.files.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	return f.Sync()
}

// Publish appends the records and syncs them, then notes where the checkpoint ends and syncs that.
func (p *Publisher) Publish(ctx context.Context, lane int, n core.CheckpointID, recs []egress.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.check(ctx, lane); err != nil {
		return err
	}
	if p.side == nil {
		return fmt.Errorf("file egress %s: publish checkpoint %d: not known what is published", p.opts.Path, n)
	}
	if n <= p.last.checkpoint || len(recs) == 0 {
		return nil
	}
	if err := p.publish(ctx, n, recs); err != nil {
		p.closeSide() // until Published has looked
		return fmt.Errorf("file egress %s: publish checkpoint %d: %w", p.opts.Path, n, err)
	}
	return nil
}

func (p *Publisher) publish(ctx context.Context, n core.CheckpointID, recs []egress.Record) error {
	end, err := p.writeLines(ctx, recs)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := p.data.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	e := entry{checkpoint: n, end: end, records: uint32(min(len(recs), math.MaxUint32))} //nolint:gosec // bounded
	at, err := p.side.Size()
	if err != nil {
		return err
	}
	if _, err := p.side.WriteAt(appendEntry(nil, p.header, e), at); err != nil {
		return fmt.Errorf("write %s: %w", p.sidePath(), err)
	}
	if err := p.side.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", p.sidePath(), err)
	}
	p.last = e
	if p.room--; p.room > 0 {
		return nil
	}
	return p.writeSide()
}

// writeLines writes the records behind what is published, and returns where they end.
func (p *Publisher) writeLines(ctx context.Context, recs []egress.Record) (end int64, err error) {
	end = p.last.end
	b := p.buf[:0]
	for i := range recs {
		b = appendLine(b, &recs[i], recs[i].StableID(p.opts.Application))
		if len(b) < chunk && i < len(recs)-1 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if _, err := p.data.WriteAt(b, end); err != nil {
			return 0, err
		}
		end += int64(len(b))
		b = b[:0]
	}
	if p.buf = b; cap(b) > 4*chunk {
		p.buf = nil // one huge record does not keep its memory
	}
	return end, nil
}

func (p *Publisher) closeSide() {
	if p.side != nil {
		p.side.Close()
		p.side = nil
	}
}

// Close gives the lock back.
func (p *Publisher) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeSide()
	if p.data != nil {
		p.data.Close()
		p.data = nil
	}
	p.files = nil
	return nil
}
