package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// Read implements checkpoint.Bucket.
func (b *Bucket) Read(ctx context.Context, key string) ([]byte, error) {
	f, size, err := b.open(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	defer f.Close()
	if size > checkpoint.MaxRead {
		return nil, fmt.Errorf("read %s: %w: %d bytes, at most %d are read whole", key, checkpoint.ErrRange, size, checkpoint.MaxRead)
	}
	body := make([]byte, size)
	if err := readFull(f, body, 0); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return body, nil
}

// ReadRange implements checkpoint.Bucket.
func (b *Bucket) ReadRange(ctx context.Context, key string, off, n int64) (body []byte, err error) {
	err = b.readRange(ctx, key, off, n, func(f vfs.File) error {
		body = make([]byte, n)
		return readFull(f, body, off)
	})
	if err != nil {
		return nil, err
	}
	return body, nil
}

// ReadTo implements checkpoint.Bucket.
func (b *Bucket) ReadTo(ctx context.Context, key string, off, n int64, w io.Writer) error {
	return b.readRange(ctx, key, off, n, func(f vfs.File) error {
		_, err := io.CopyN(w, io.NewSectionReader(f, off, n), n)
		return err
	})
}

// readRange opens an object and has a range of it read.
func (b *Bucket) readRange(ctx context.Context, key string, off, n int64, read func(vfs.File) error) error {
	f, size, err := b.open(ctx, key)
	if err != nil {
		return fmt.Errorf("read %d bytes at %d of %s: %w", n, off, key, err)
	}
	defer f.Close()
	if off < 0 || n < 1 || off > size || n > size-off {
		return fmt.Errorf("read %d bytes at %d of %s: %w: it has %d bytes", n, off, key, checkpoint.ErrRange, size)
	}
	if err := read(f); err != nil {
		return fmt.Errorf("read %d bytes at %d of %s: %w", n, off, key, err)
	}
	return nil
}

func readFull(f vfs.File, body []byte, off int64) error {
	if len(body) == 0 {
		return nil
	}
	n, err := f.ReadAt(body, off)
	if n == len(body) {
		return nil
	}
	return errors.Join(err, io.ErrUnexpectedEOF)
}

// open opens an object and returns its size.
func (b *Bucket) open(ctx context.Context, key string) (vfs.File, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if err := checkpoint.ValidKey(key); err != nil {
		return nil, 0, err
	}
	f, err := b.fs.Open(b.path(key))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || b.sealed(key) {
			err = checkpoint.ErrNotFound
		}
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = checkpoint.ErrNotFound
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// List implements checkpoint.Bucket. It is stale only in that objects come and go while it walks.
func (b *Bucket) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	if err := checkpoint.ValidPrefix(prefix); err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	dir := ""
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		dir = prefix[:i+1]
	}
	w := walk{bucket: b, prefix: prefix, after: after, limit: limit}
	if err := w.folder(ctx, dir); err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	return w.found, nil
}

// walk lists keys in the order of their bytes.
type walk struct {
	bucket        *Bucket
	prefix, after string
	limit         int
	found         []string
}

// folder walks a folder; dir is empty for the root and ends with a slash otherwise.
func (w *walk) folder(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	at := w.bucket.path(".")
	if dir != "" {
		at = w.bucket.path(strings.TrimSuffix(dir, "/"))
	}
	names, err := w.bucket.fs.List(at)
	if err != nil {
		if info, statErr := w.bucket.fs.Stat(at); statErr != nil || !info.IsDir() {
			return nil // gone, or never there
		}
		return err
	}
	for _, key := range w.children(dir, names) {
		if len(w.found) >= w.limit {
			return nil
		}
		if strings.HasSuffix(key, "/") {
			if err := w.folder(ctx, key); err != nil {
				return err
			}
			continue
		}
		w.found = append(w.found, key)
	}
	return nil
}

// children returns what of a folder can hold wanted keys, folders with a slash behind them, so that
// their order is that of the keys below them.
func (w *walk) children(dir string, names []string) []string {
	keys := names[:0]
	for _, name := range names {
		key := dir + name
		file := key > w.after && strings.HasPrefix(key, w.prefix)
		folder := (key+"/" > w.after || strings.HasPrefix(w.after, key+"/")) &&
			(strings.HasPrefix(key+"/", w.prefix) || strings.HasPrefix(w.prefix, key+"/"))
		if hidden(name) || (!file && !folder) {
			continue
		}
		info, err := w.bucket.fs.Stat(w.bucket.path(key))
		switch {
		case err != nil: // deleted meanwhile
		case info.IsDir() && folder:
			keys = append(keys, key+"/")
		case !info.IsDir() && file:
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
