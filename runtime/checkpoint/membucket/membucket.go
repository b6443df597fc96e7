// Package membucket is a bucket in memory, for tests and simulations, and Faulty, which makes any
// bucket fail, answer late, lose answers and list stale keys as a script says.
//
// It keeps the rules of an S3 bucket: a create-if-absent has one winner, reads see every create that
// has returned, and a key that was deleted can be created again, even below a deleted folder.
package membucket

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// Bucket is a checkpoint.Bucket in memory. The zero value is empty and ready. Safe for concurrent use.
type Bucket struct {
	mu      sync.Mutex
	objects map[string][]byte // guarded by mu
	keys    []string          // guarded by mu: of objects, ascending
	changes []change          // guarded by mu: the last maxChanges, oldest first
}

// change is a key that was created or deleted.
type change struct {
	key     string
	created bool
}

// maxChanges is how many creates and deletes a stale list can be behind.
const maxChanges = 256

var _ checkpoint.Bucket = (*Bucket)(nil)

// Create implements checkpoint.Bucket.
func (b *Bucket) Create(ctx context.Context, key string, body []byte) error {
	if err := check(ctx, key); err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.createLocked(key, slices.Clone(body))
}

// CreateFrom implements checkpoint.Bucket.
func (b *Bucket) CreateFrom(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	if err := check(ctx, key); err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	own := make([]byte, size)
	if n, err := body.ReadAt(own, 0); int64(n) < size {
		return fmt.Errorf("create %s: read the body: %w", key, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.createLocked(key, own)
}

func (b *Bucket) createLocked(key string, own []byte) error {
	if _, ok := b.objects[key]; ok {
		return fmt.Errorf("create %s: %w", key, checkpoint.ErrExists)
	}
	if b.objects == nil {
		b.objects = make(map[string][]byte)
	}
	b.objects[key] = own
	i, _ := slices.BinarySearch(b.keys, key)
	b.keys = slices.Insert(b.keys, i, key)
	b.changedLocked(key, true)
	return nil
}

func (b *Bucket) changedLocked(key string, created bool) {
	if len(b.changes) >= 2*maxChanges {
		b.changes = append(b.changes[:0], b.changes[maxChanges:]...)
	}
	b.changes = append(b.changes, change{key, created})
}

// Read implements checkpoint.Bucket.
func (b *Bucket) Read(ctx context.Context, key string) ([]byte, error) {
	body, err := b.body(ctx, key)
	if err == nil && len(body) > checkpoint.MaxRead {
		err = fmt.Errorf("%w: %d bytes, at most %d are read whole", checkpoint.ErrRange, len(body), checkpoint.MaxRead)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return append([]byte{}, body...), nil
}

// ReadRange implements checkpoint.Bucket.
func (b *Bucket) ReadRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	body, err := b.body(ctx, key)
	size := int64(len(body))
	if err == nil && (off < 0 || n < 1 || off > size || n > size-off) {
		err = fmt.Errorf("%w: it has %d bytes", checkpoint.ErrRange, size)
	}
	if err != nil {
		return nil, fmt.Errorf("read %d bytes at %d of %s: %w", n, off, key, err)
	}
	return slices.Clone(body[off : off+n]), nil
}

// ReadTo implements checkpoint.Bucket.
func (b *Bucket) ReadTo(ctx context.Context, key string, off, n int64, w io.Writer) error {
	body, err := b.ReadRange(ctx, key, off, n)
	if err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("read %d bytes at %d of %s: %w", n, off, key, err)
	}
	return nil
}

// body returns an object's bytes, which never change.
func (b *Bucket) body(ctx context.Context, key string) ([]byte, error) {
	if err := check(ctx, key); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	body, ok := b.objects[key]
	if !ok {
		return nil, checkpoint.ErrNotFound
	}
	return body, nil
}

// List implements checkpoint.Bucket.
func (b *Bucket) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	return b.ListBehind(ctx, prefix, after, limit, 0)
}

// ListBehind is List as it would have answered before the last behind creates and deletes, at most 256.
func (b *Bucket) ListBehind(ctx context.Context, prefix, after string, limit, behind int) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	if err := checkpoint.ValidPrefix(prefix); err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := b.keys
	if behind > 0 {
		keys = b.pastLocked(behind)
	}
	i, _ := slices.BinarySearch(keys, max(prefix, after))
	var found []string
	for ; i < len(keys) && len(found) < limit && strings.HasPrefix(keys[i], prefix); i++ {
		if keys[i] > after {
			found = append(found, keys[i])
		}
	}
	return found, nil
}

// pastLocked undoes the newest changes in a copy of the keys.
func (b *Bucket) pastLocked(behind int) []string {
	keys := slices.Clone(b.keys)
	for n := len(b.changes); behind > 0 && n > 0; behind, n = behind-1, n-1 {
		c := b.changes[n-1]
		i, found := slices.BinarySearch(keys, c.key)
		switch {
		case c.created && found:
			keys = slices.Delete(keys, i, i+1)
		case !c.created && !found:
			keys = slices.Insert(keys, i, c.key)
		}
	}
	return keys
}

// Delete implements checkpoint.Bucket.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	if checkpoint.InLog(key) {
		return fmt.Errorf("delete %s: %w: an entry of a control log goes with its folder", key, checkpoint.ErrKey)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deleteLocked(key)
	return nil
}

func (b *Bucket) deleteLocked(key string) {
	if _, ok := b.objects[key]; !ok {
		return
	}
	delete(b.objects, key)
	i, _ := slices.BinarySearch(b.keys, key)
	b.keys = slices.Delete(b.keys, i, i+1)
	b.changedLocked(key, false)
}

// DeleteFolder implements checkpoint.Bucket, as S3 can: the marker first, then the objects.
func (b *Bucket) DeleteFolder(ctx context.Context, folder string) error {
	if err := check(ctx, folder); err != nil {
		return fmt.Errorf("delete folder %s: %w", folder, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.objects[folder]; !ok {
		if err := b.createLocked(folder, nil); err != nil {
			return err
		}
	}
	first, _ := slices.BinarySearch(b.keys, folder+"/")
	last := first
	for last < len(b.keys) && strings.HasPrefix(b.keys[last], folder+"/") {
		last++
	}
	for _, key := range slices.Clone(b.keys[first:last]) {
		b.deleteLocked(key)
	}
	return nil
}

// Damage replaces an object's bytes by what change returns for a copy of them, for tests of what
// notices. It panics if there is no such object.
func (b *Bucket) Damage(key string, change func([]byte) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, ok := b.objects[key]
	if !ok {
		panic("membucket: no object " + key + " to damage")
	}
	b.objects[key] = change(slices.Clone(body))
}

// Clone returns a bucket that holds the same objects and changes on its own.
func (b *Bucket) Clone() *Bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &Bucket{objects: make(map[string][]byte, len(b.objects)), keys: slices.Clone(b.keys)}
	for k, v := range b.objects {
		c.objects[k] = v
	}
	return c
}

func check(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return checkpoint.ValidKey(key)
}
