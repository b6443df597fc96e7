package generator

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

// Ingress is a generator. It has no connection to close and no state but its options.
type Ingress struct {
	opts Options
	gap  time.Duration
	ids  *ids
	make func() *maker // a maker belongs to one Read
}

// Open checks the options, all conflicts at once, and makes a generator.
func Open(opts Options) (*Ingress, error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("generator: %w", err)
	}
	opts = opts.withDefaults()
	g := &Ingress{opts: opts, gap: opts.gap(), ids: newIDs(opts)}
	shared := constantPayload(opts)
	g.make = func() *maker { return newMaker(opts, g.ids, shared) }
	return g, nil
}

const positionSize = 16 // the next record's number, the number of partitions

func appendPosition(b []byte, next int64, partitions int) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(next))          //nolint:gosec // not negative
	return binary.BigEndian.AppendUint64(b, uint64(partitions)) //nolint:gosec // not negative
}

// position reads where partition number p goes on.
func (g *Ingress) position(p int, b []byte) (int64, error) {
	if len(b) != positionSize {
		return 0, fmt.Errorf("generator partition %d: position of %d bytes, want %d: %w", p, len(b), positionSize, ingress.ErrHeld)
	}
	next, partitions := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	if partitions != uint64(g.opts.Partitions) { //nolint:gosec // not negative
		return 0, fmt.Errorf("generator has %d partitions but its position was kept with %d: set partitions back, or use another id: %w",
			g.opts.Partitions, partitions, ingress.ErrHeld)
	}
	if next > 1<<62 || next%partitions != uint64(p) { //nolint:gosec // not negative
		return 0, fmt.Errorf("generator partition %d cannot go on at record %d: %w", p, next, ingress.ErrHeld)
	}
	return int64(next), nil
}

// number reads a partition's id.
func (g *Ingress) number(id string) (int, error) {
	p, err := strconv.Atoi(id)
	if err != nil || p < 0 || p >= g.opts.Partitions || strconv.Itoa(p) != id {
		return 0, fmt.Errorf("generator has no partition %q, only 0 to %d: set partitions back, or use another id: %w",
			id, g.opts.Partitions-1, ingress.ErrHeld)
	}
	return p, nil
}

// Partitions lists the partitions, named by their numbers. It fails if positions were kept with
// another number of partitions, since records would be lost or doubled.
func (g *Ingress) Partitions(_ context.Context, known []ingress.Partition) ([]ingress.Partition, error) {
	parts := make([]ingress.Partition, g.opts.Partitions)
	for p := range parts {
		parts[p] = ingress.Partition{ID: strconv.Itoa(p), Position: appendPosition(nil, int64(p), len(parts))}
	}
	for _, k := range known {
		p, err := g.number(k.ID)
		if err != nil {
			return nil, err
		}
		if _, err := g.position(p, k.Position); err != nil {
			return nil, err
		}
		parts[p] = k
	}
	return parts, nil
}

// Read makes records until ctx ends or the count is reached.
func (g *Ingress) Read(ctx context.Context, part ingress.Partition, sink ingress.Sink) error {
	p, err := g.number(part.ID)
	if err != nil {
		return err
	}
	next, err := g.position(p, part.Position)
	if err != nil {
		return err
	}
	step := int64(g.opts.Partitions)
	m, pace := g.make(), newPacer(g.gap, g.gap/time.Duration(step)*time.Duration(p))
	defer pace.stop()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		left := g.left(next, step)
		if left == 0 {
			return fmt.Errorf("generator partition %d: %d records made: %w", p, g.opts.Count, ingress.ErrEnded)
		}
		n, err := pace.wait(ctx, min(left, m.limit))
		if err != nil {
			return err
		}
		msgs, err := m.batch(next, step, n)
		if err != nil {
			return fmt.Errorf("generator partition %d at record %d: %w: %w", p, next, ingress.ErrHeld, err)
		}
		next += n * step
		if err := sink.Put(ctx, ingress.Batch{Position: appendPosition(nil, next, g.opts.Partitions), Messages: msgs}); err != nil {
			return err
		}
		pace.sent(n)
	}
}

// left is how many records of the partition lie at and after next.
func (g *Ingress) left(next, step int64) int64 {
	if g.opts.Count == 0 {
		return 1 << 62
	}
	if next >= g.opts.Count {
		return 0
	}
	return (g.opts.Count-next-1)/step + 1
}

// Committed does nothing: nobody outside asks.
func (g *Ingress) Committed(core.CheckpointID, map[string][]byte) {}

// Close does nothing.
func (g *Ingress) Close() error { return nil }
