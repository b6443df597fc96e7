package checkpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	basePiece  = 8 << 20  // bytes of a base file that one request reads
	writePiece = 32 << 10 // bytes that one write takes; where a kernel looks for large pages, larger writes were seen to take eight times as long
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

// RestoreBaseFiles hands the files of a base to whoever makes a database of them, one after the other. Closing
// a file that create returned makes it durable.
func (a *Application) RestoreBaseFiles(ctx context.Context, b *Base, create func(name string) (io.WriteCloser, error)) error {
	for i := range b.Files {
		f := &b.Files[i]
		w, err := create(f.File)
		if err == nil {
			err = errors.Join(a.readBaseFile(ctx, f, w), w.Close())
		}
		if err != nil {
			return fmt.Errorf("restore base of shard %d: file %s: %w", b.Shard, f.File, err)
		}
	}
	return nil
}

// readBaseFile copies a base file's bytes to w and checks them.
func (a *Application) readBaseFile(ctx context.Context, f *BaseFile, w io.Writer) error {
	h := sha256.New()
	for off := int64(0); off < f.Size; off += basePiece {
		n := min(basePiece, f.Size-off)
		b, err := a.bucket.ReadRange(ctx, a.key(f.Object), off, n)
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) {
			return damaged(a.key(f.Object), off, "the manifest names it with %d bytes: %v", f.Size, err)
		}
		if err != nil {
			return err
		}
		for piece := range slices.Chunk(b, writePiece) {
			h.Write(piece)
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
	}
	if got := halfSum(h.Sum(nil)); got != f.Sum {
		return damaged(a.key(f.Object), 0, "checksum of its %d bytes is %x, the manifest says %x", f.Size, got, f.Sum)
	}
	return nil
}
