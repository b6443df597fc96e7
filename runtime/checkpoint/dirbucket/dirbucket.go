// Package dirbucket is a bucket in a folder of a file system, which several processes of a machine
// (or of machines that mount it with POSIX semantics) may use at once.
//
// Always true:
//
//  1. An object is written beside, synced, and only then linked to its name: link fails if the name
//     is taken, so of several processes one wins, and nobody sees a part.
//  2. Create returns nil, or ErrExists, only after the object's folder was synced, and that folder's
//     name in its own folder, up to the root.
//  3. A folder of a control log is created only as the next one, behind a folder that holds its last
//     number; the folder before is synced first. One that goes whole is swapped with an empty file of
//     its name in one atomic step, so that a create below it fails before and after.
//  4. After a sync has failed, nothing is created any more: what the disk holds is not known then.
package dirbucket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// Options are for tests; the zero value is what a node uses.
type Options struct {
	FS FS // zero means OS()
	// Random gives names of temporary files; zero means crypto/rand.Reader.
	Random io.Reader
	// At is called at named points, with all locks free, so that a test can crash there; zero means
	// no calls.
	At func(Point)
}

// Point is a moment in the work of a bucket at which a crash is worth a test.
type Point string

// The points, in the order in which a create and a deletion of a folder pass them.
const (
	AtFolderMade   Point = "create: folder made, not synced"
	AtTempWritten  Point = "create: body written, not synced" //nolint:gosec // no credential
	AtTempSynced   Point = "create: body synced, not linked"
	AtLinked       Point = "create: linked, folder not synced"
	AtCreated      Point = "create: folder synced"
	AtDeleted      Point = "delete: unlinked, folder not synced"
	AtMarkerSynced Point = "delete folder: marker synced, not swapped"
	AtSwapped      Point = "delete folder: swapped, not synced"
	AtSwapSynced   Point = "delete folder: swap synced, old folder still there"
)

// Bucket is a checkpoint.Bucket in a folder. Safe for concurrent use.
type Bucket struct {
	fs     FS
	root   string
	random io.Reader
	at     func(Point)

	mu     sync.Mutex
	synced map[string]bool // guarded by mu: folders (as keys) that are durable
	failed error           // guarded by mu: of the first sync that failed
}

var _ checkpoint.Bucket = (*Bucket)(nil)

const tempFolder = ".tmp"

// Open opens the bucket in folder dir, which is made if it does not exist, and removes what dead
// processes left of unfinished creates a day ago or earlier.
func Open(dir string, opt Options) (*Bucket, error) {
	b := &Bucket{fs: opt.FS, root: dir, random: opt.Random, at: opt.At, synced: make(map[string]bool)}
	if b.fs == nil {
		b.fs = OS()
	}
	if b.random == nil {
		b.random = rand.Reader
	}
	if b.at == nil {
		b.at = func(Point) {}
	}
	if err := b.makeRoot(b.path(tempFolder)); err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", dir, err)
	}
	if err := b.clearTemp(); err != nil {
		return nil, fmt.Errorf("open bucket %s: clear %s: %w", dir, tempFolder, err)
	}
	return b, nil
}

// Root is the folder that was opened.
func (b *Bucket) Root() string { return b.root }

func (b *Bucket) path(key string) string {
	if key == "." {
		return b.root
	}
	return b.fs.PathJoin(b.root, key)
}

// makeRoot makes dir and its parents as needed, each durably.
func (b *Bucket) makeRoot(dir string) error {
	if info, err := b.fs.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		return nil
	}
	parent := b.fs.PathDir(dir)
	if parent != dir {
		if err := b.makeRoot(parent); err != nil {
			return err
		}
	}
	if err := b.fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return b.syncPath(parent)
}

// Create implements checkpoint.Bucket.
func (b *Bucket) Create(ctx context.Context, key string, body []byte) error {
	return b.create(ctx, key, func(f vfs.File) error {
		_, err := f.Write(append([]byte(nil), body...)) // a vfs.File may change what it is given
		return err
	})
}

// CreateFrom implements checkpoint.Bucket.
func (b *Bucket) CreateFrom(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	return b.create(ctx, key, func(f vfs.File) error { return copyBody(ctx, f, body, size) })
}

func copyBody(ctx context.Context, f vfs.File, body io.ReaderAt, size int64) error {
	buf := make([]byte, min(size, 1<<20))
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		want := min(int64(len(buf)), size-off)
		n, err := body.ReadAt(buf[:want], off)
		if int64(n) < want {
			return fmt.Errorf("read the body at %d: %w", off+int64(n), errors.Join(err, io.ErrUnexpectedEOF))
		}
		if _, err := f.Write(buf[:n]); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

func (b *Bucket) create(ctx context.Context, key string, write func(vfs.File) error) error {
	err := b.ready(ctx, key)
	if err == nil {
		err = b.tryCreate(key, write)
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	return nil
}

func (b *Bucket) tryCreate(key string, write func(vfs.File) error) error {
	if err := b.makeFolder(key); err != nil {
		return err
	}
	if _, err := b.fs.Stat(b.path(key)); err == nil {
		return b.taken(key)
	}
	temp, err := b.writeTemp(write)
	if err != nil {
		return err
	}
	defer b.fs.Remove(temp) //nolint:errcheck // what stays is removed by a later Open
	b.at(AtTempSynced)
	if err := b.fs.Link(temp, b.path(key)); err != nil {
		return b.linkFailed(key, err)
	}
	b.at(AtLinked)
	if err := b.sync(path.Dir(key)); err != nil {
		return fmt.Errorf("%w: %w", checkpoint.ErrUnknownOutcome, err)
	}
	b.at(AtCreated)
	return nil
}

func (b *Bucket) linkFailed(key string, err error) error {
	switch {
	case errors.Is(err, os.ErrExist):
		return b.taken(key)
	case b.sealed(key):
		return fmt.Errorf("%w: its folder was deleted", checkpoint.ErrExists)
	case errors.Is(err, os.ErrNotExist):
		return err // folder or temporary file is gone: nothing was linked
	}
	return fmt.Errorf("%w: %w", checkpoint.ErrUnknownOutcome, err)
}

// taken answers for a key that exists, once it is durable.
func (b *Bucket) taken(key string) error {
	if info, err := b.fs.Stat(b.path(key)); err == nil && info.IsDir() {
		return fmt.Errorf("%w: it is a folder", checkpoint.ErrKey)
	}
	if err := b.sync(path.Dir(key)); err != nil {
		return fmt.Errorf("%w: %w", checkpoint.ErrUnknownOutcome, err)
	}
	return checkpoint.ErrExists
}

// writeTemp writes and syncs a file of its own and returns its path.
func (b *Bucket) writeTemp(write func(vfs.File) error) (string, error) {
	var name [16]byte
	if _, err := io.ReadFull(b.random, name[:]); err != nil {
		return "", fmt.Errorf("draw a temporary name: %w", err)
	}
	temp := b.path(fmt.Sprintf("%s/%x", tempFolder, name))
	f, err := b.fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return "", err
	}
	err = write(f)
	b.at(AtTempWritten)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = b.fs.Remove(temp)
		return "", err
	}
	return temp, nil
}

// Delete implements checkpoint.Bucket. A deletion that a crash undoes is harmless and not synced.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := b.ready(ctx, key)
	if err == nil && checkpoint.InLog(key) {
		err = fmt.Errorf("%w: an entry of a control log goes with its folder", checkpoint.ErrKey)
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	if info, err := b.fs.Stat(b.path(key)); err == nil && info.IsDir() {
		return nil // a folder is no object
	}
	err = b.fs.Remove(b.path(key))
	if err != nil && !errors.Is(err, os.ErrNotExist) && !b.sealed(key) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	b.at(AtDeleted)
	return nil
}

// ready checks what every change needs.
func (b *Bucket) ready(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkpoint.ValidKey(key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil {
		return fmt.Errorf("%w: the disk does not keep what it is given: %w; restart once it does", checkpoint.ErrUnknownOutcome, b.failed)
	}
	return nil
}

// sealed reports whether a folder above key is a file: it was deleted whole.
func (b *Bucket) sealed(key string) bool {
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if info, err := b.fs.Stat(b.path(dir)); err == nil {
			return !info.IsDir()
		}
	}
	return false
}

// sync makes the names in a folder durable. Dir is a key, or a dot for the root.
func (b *Bucket) sync(dir string) error {
	err := b.syncPath(b.path(dir))
	if err != nil {
		b.mu.Lock()
		if b.failed == nil {
			b.failed = err
		}
		b.mu.Unlock()
	}
	return err
}

func (b *Bucket) syncPath(dir string) error {
	d, err := b.fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// folders are the folders above key, the outermost first.
func folders(key string) []string {
	var dirs []string
	for i := range key {
		if key[i] == '/' {
			dirs = append(dirs, key[:i])
		}
	}
	return dirs
}

// hidden reports whether a name in the root is none of an object.
func hidden(name string) bool { return strings.HasPrefix(name, ".") }
