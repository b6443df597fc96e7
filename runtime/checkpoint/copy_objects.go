package checkpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"

	"golang.org/x/sync/errgroup"
)

const copyPiece = 8 << 20 // bytes of a base file that one request reads

// copyState copies everything that a state refers to, appends a full manifest that says the same to the target's log, and checks the target.
func (c *copier) copyState(ctx context.Context, s *State) (Copied, error) {
	m, err := c.copyObjects(ctx, s)
	if err != nil {
		return Copied{}, err
	}
	if err := c.appendManifest(ctx, m); err != nil {
		return Copied{}, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	state, err := c.dst.Log().StateAt(ctx, c.reign.restores, max(1, c.opt.Parallel))
	if err != nil {
		return Copied{}, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	done := Copied{ID: c.dst.ID, Source: s.Checkpoint, Checkpoint: state.Checkpoint, Generation: state.Lineage.Generation}
	if done.Report, err = c.dst.VerifyState(ctx, state); err != nil {
		return done, fmt.Errorf("check what was copied to %s: %w", c.opt.To, err)
	}
	return done, c.discard(ctx, done.Report.Problems)
}

// discard deletes objects that did not arrive as they were sent, so that the copy can be repeated.
func (c *copier) discard(ctx context.Context, problems []error) error {
	for _, p := range problems {
		var damage *DamageError
		if !errors.As(p, &damage) {
			continue
		}
		if err := c.bucket.Delete(ctx, damage.Object); err != nil {
			return err
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%d objects did not arrive at %s as they were, and were deleted there; repeat the copy: %w", len(problems), c.opt.To, errors.Join(problems...))
}

// copyObjects copies segments and base files and returns a manifest that names the copies.
func (c *copier) copyObjects(ctx context.Context, s *State) (*Manifest, error) {
	l := c.reign.Lineage()
	m := &Manifest{
		Checkpoint: s.Checkpoint + epochsBegun, Lineage: l, Prev: c.reign.restores, Full: true, Time: s.Time, Shards: s.Shards,
		Reigns: []ReignStart{{Lineage: l, First: 1}}, Positions: maps.Clone(s.Positions), Segments: make([]*Segment, len(s.Segments)),
	}
	var tasks []func(context.Context) error
	for i, seg := range s.Segments {
		tasks = append(tasks, func(ctx context.Context) (err error) {
			m.Segments[i], err = c.copySegment(ctx, seg)
			return err
		})
	}
	for _, b := range s.Bases {
		if b == nil {
			continue
		}
		own := *b
		own.Files = make([]BaseFile, len(b.Files))
		m.Bases = append(m.Bases, &own)
		for i, f := range b.Files {
			tasks = append(tasks, func(ctx context.Context) (err error) {
				own.Files[i], err = c.copyFile(ctx, b, f)
				return err
			})
		}
	}
	return m, c.each(ctx, tasks)
}

// each runs tasks, Parallel at a time.
func (c *copier) each(ctx context.Context, tasks []func(context.Context) error) error {
	if c.opt.Parallel <= 1 {
		for _, task := range tasks {
			if err := task(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.opt.Parallel)
	for _, task := range tasks {
		g.Go(func() error { return task(ctx) })
	}
	return g.Wait()
}

// nameOf is the random part of a copy's name: the same for the same object in every try of one arrival, and of no other object.
func (c *copier) nameOf(object string) string {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, c.arrival.Nonce))
	h.Write([]byte(object))
	return fmt.Sprintf("%x", h.Sum(nil)[:randomDigits/2])
}

// create creates an object under a name that only this copy uses: if it is there, an earlier try made it.
func (c *copier) create(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	err := c.dst.createFresh(ctx, name, body, size)
	if err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	if c.opt.Copied != nil {
		c.opt.Copied(size)
	}
	return nil
}

// copySegment checks a segment and copies it with a header that tells its new application and generation.
func (c *copier) copySegment(ctx context.Context, s *Segment) (*Segment, error) {
	b, err := c.src.readSegment(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("copy from %s: segment %s: %w", c.opt.From, s.Name, err)
	}
	g := c.reign.Lineage().Generation
	own := *s
	own.Name = segmentName(g, s.Checkpoint, s.Node, c.nameOf(s.Name))
	header := append([]byte(segmentMagic), c.dst.ID[:]...)
	header = binary.BigEndian.AppendUint64(header, uint64(g))
	header = append(header, b[len(header):segmentHeader-4]...)
	copy(b, appendCRC(header, 0))
	own.Checksum = checksum(b)
	return &own, c.create(ctx, own.Name, bytes.NewReader(b), own.Length)
}

// copyFile copies a file of a base. That its bytes are right is checked in the target.
func (c *copier) copyFile(ctx context.Context, b *Base, f BaseFile) (BaseFile, error) {
	if f.Object == "" {
		return f, nil
	}
	body := &remoteBody{ctx: ctx, bucket: c.src.bucket, key: c.src.key(f.Object), size: f.Size}
	f.Object = baseFileName(c.reign.Lineage().Generation, b.Shard, c.nameOf(f.Object))
	err := c.create(ctx, f.Object, body, f.Size)
	body.mu.Lock()
	defer body.mu.Unlock()
	if body.err != nil {
		err = fmt.Errorf("copy from %s: base of shard %d: file %s: %w", c.opt.From, b.Shard, f.File, body.err)
	}
	return f, err
}

// remoteBody reads an object of another bucket in large pieces, of which it keeps the last. It lives for one call of its context.
type remoteBody struct {
	ctx    context.Context //nolint:containedctx // io.ReaderAt has none
	bucket Bucket
	key    string
	size   int64

	mu    sync.Mutex
	piece []byte // guarded by mu
	at    int64  // of piece; guarded by mu
	err   error  // the first of the other bucket's; guarded by mu
}

// ReadAt implements io.ReaderAt.
func (r *remoteBody) ReadAt(b []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for n < len(b) && off < r.size {
		if err := r.fetchLocked(off); err != nil {
			r.err = err
			return n, err
		}
		k := copy(b[n:], r.piece[off-r.at:])
		n, off = n+k, off+int64(k)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// fetchLocked makes piece the one that holds off.
func (r *remoteBody) fetchLocked(off int64) error {
	if off >= r.at && off < r.at+int64(len(r.piece)) {
		return nil
	}
	at := off - off%copyPiece
	b, err := r.bucket.ReadRange(r.ctx, r.key, at, min(copyPiece, r.size-at))
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) {
		return damaged(r.key, at, "the manifest names it with %d bytes: %v", r.size, err)
	}
	if err != nil {
		return err
	}
	r.piece, r.at = b, at
	return nil
}

// appendManifest appends the manifest to the target's log, unless it is the last one there.
func (c *copier) appendManifest(ctx context.Context, m *Manifest) error {
	if c.reign.restores > Number(c.reign.lineage.Generation) {
		last, err := c.dst.Log().readManifest(ctx, c.reign.restores)
		if err != nil {
			return err
		}
		same := *m
		same.Prev, same.FullNumber = last.Prev, last.FullNumber
		if bytes.Equal(same.append(nil), last.append(nil)) {
			return nil
		}
	}
	return appendSettled(ctx, c.reign, Entry{Manifest: m})
}
