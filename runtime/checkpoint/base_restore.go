package checkpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"
)

const (
	closesAtOnce = 2        // files of one base that are being made durable
	writePiece   = 32 << 10 // bytes that one write takes; where a kernel looks for large pages, larger writes were seen to take eight times as long
)

// RestoreBase writes the files of a base into dir, which must not exist or be empty, and syncs them.
// Only after it has returned nil does dir hold the base; after an error dir is to be deleted.
func (a *Application) RestoreBase(ctx context.Context, b *Base, fs vfs.FS, dir string) error {
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("restore base of shard %d: %w", b.Shard, err)
	}
	have, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("restore base of shard %d: %w", b.Shard, err)
	}
	if len(have) > 0 {
		return fmt.Errorf("restore base of shard %d: folder %s is not empty", b.Shard, dir)
	}
	for i := range b.Files {
		if err := a.restoreBaseFile(ctx, &b.Files[i], fs, fs.PathJoin(dir, b.Files[i].File)); err != nil {
			return fmt.Errorf("restore base of shard %d: file %s: %w", b.Shard, b.Files[i].File, err)
		}
	}
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("restore base of shard %d: %w", b.Shard, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("restore base of shard %d: sync %s: %w", b.Shard, dir, err)
	}
	return nil
}

func (a *Application) restoreBaseFile(ctx context.Context, f *BaseFile, fs vfs.FS, path string) error {
	w, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	err = a.readBaseFile(ctx, f, w)
	if err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

// RestoreBaseFiles hands the files of a base to whoever makes a database of them, one after the other. Closing a file that create returned
// makes it durable; while the disk does so the next files are read, so that Close is called from other goroutines, a few at a time. All files are
// closed when it returns.
func (a *Application) RestoreBaseFiles(ctx context.Context, b *Base, create func(name string) (io.WriteCloser, error)) error {
	var closing errgroup.Group
	closing.SetLimit(closesAtOnce)
	err := a.restoreBaseFiles(ctx, b, create, &closing)
	if err := errors.Join(err, closing.Wait()); err != nil {
		return fmt.Errorf("restore base of shard %d: %w", b.Shard, err)
	}
	return nil
}

func (a *Application) restoreBaseFiles(ctx context.Context, b *Base, create func(name string) (io.WriteCloser, error), closing *errgroup.Group) error {
	for i := range b.Files {
		f := &b.Files[i]
		w, err := create(f.File)
		if err == nil {
			err = a.readBaseFile(ctx, f, w)
			closing.Go(func() error {
				if err := w.Close(); err != nil {
					return fmt.Errorf("file %s: %w", f.File, err)
				}
				return nil
			})
		}
		if err != nil {
			return fmt.Errorf("file %s: %w", f.File, err)
		}
	}
	return nil
}

// readBaseFile copies a base file's bytes to w and checks them.
func (a *Application) readBaseFile(ctx context.Context, f *BaseFile, w io.Writer) error {
	sum := summing{w: w, h: sha256.New()}
	if f.Size > 0 {
		err := a.bucket.ReadTo(ctx, a.key(f.Object), 0, f.Size, &sum)
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) {
			return damaged(a.key(f.Object), 0, "the manifest names it with %d bytes: %v", f.Size, err)
		}
		if err != nil {
			return err
		}
	}
	if got := halfSum(sum.h.Sum(nil)); got != f.Sum {
		return damaged(a.key(f.Object), 0, "checksum of its %d bytes is %x, the manifest says %x", f.Size, got, f.Sum)
	}
	return nil
}

// summing is a writer that hashes what it passes on.
type summing struct {
	w io.Writer
	h hash.Hash
}

// Write implements io.Writer.
func (s *summing) Write(b []byte) (n int, err error) {
	for piece := range slices.Chunk(b, writePiece) {
		s.h.Write(piece)
		if m, err := s.w.Write(piece); err != nil {
			return n + m, err
		}
		n += len(piece)
	}
	return n, nil
}
