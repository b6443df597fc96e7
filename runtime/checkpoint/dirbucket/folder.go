package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// makeFolder makes the folders above key, each durably.
func (b *Bucket) makeFolder(key string) error {
	dirs := folders(key)
	if len(dirs) == 0 || b.durable(dirs[len(dirs)-1]) {
		return nil
	}
	if err := b.mayFollow(key); err != nil {
		return err
	}
	for _, dir := range dirs {
		if b.durable(dir) {
			continue
		}
		if err := b.makeOne(dir); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bucket) makeOne(dir string) error {
	err := b.fs.MkdirAll(b.path(dir), 0o755)
	if info, statErr := b.fs.Stat(b.path(dir)); statErr == nil && !info.IsDir() {
		return fmt.Errorf("%w: its folder %s was deleted", checkpoint.ErrExists, dir)
	}
	if err != nil {
		return err
	}
	b.at(AtFolderMade)
	// Also if another process made it: that one may not have synced it yet.
	if err := b.sync(path.Dir(dir)); err != nil {
		return err
	}
	b.mu.Lock()
	b.synced[dir] = true
	b.mu.Unlock()
	return nil
}

func (b *Bucket) durable(dir string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.synced[dir]
}

// mayFollow checks that a folder of a control log that has to be made is the next one, and makes the
// entries of the folder before durable: nobody may build on an entry that a crash can undo.
func (b *Bucket) mayFollow(key string) error {
	place, ok := checkpoint.ParseLogKey(key)
	if !ok || place.Folder == 0 {
		return nil
	}
	if info, err := b.fs.Stat(b.path(path.Dir(key))); err == nil && !info.IsDir() {
		return fmt.Errorf("%w: its folder was deleted", checkpoint.ErrExists)
	} else if err == nil {
		return nil // whoever made it has synced the folder before
	}
	last := place.Key(checkpoint.Number(place.Folder*checkpoint.FolderNumbers - 1))
	if _, err := b.fs.Stat(b.path(last)); err != nil {
		return fmt.Errorf("%w: folder %d of a control log is not the next one: %s is missing", checkpoint.ErrKey, place.Folder, last)
	}
	return b.sync(path.Dir(last))
}

// DeleteFolder implements checkpoint.Bucket: the folder and an empty file change places.
func (b *Bucket) DeleteFolder(ctx context.Context, folder string) error {
	err := b.ready(ctx, folder)
	if err == nil {
		err = b.deleteFolder(folder)
	}
	if err != nil {
		return fmt.Errorf("delete folder %s: %w", folder, err)
	}
	return nil
}

func (b *Bucket) deleteFolder(folder string) error {
	info, err := b.fs.Stat(b.path(folder))
	switch {
	case errors.Is(err, os.ErrNotExist):
		err := b.tryCreate(folder, func(vfs.File) error { return nil })
		if errors.Is(err, checkpoint.ErrExists) {
			return nil
		}
		return err
	case err != nil:
		return err
	case !info.IsDir():
		return b.sync(path.Dir(folder)) // done already, perhaps by one that crashed before its sync
	}
	aside, err := b.writeTemp(func(vfs.File) error { return nil })
	if err != nil {
		return err
	}
	b.at(AtMarkerSynced)
	if err := b.fs.Exchange(aside, b.path(folder)); err != nil {
		_ = b.fs.Remove(aside)
		return err
	}
	b.at(AtSwapped)
	if err := b.sync(path.Dir(folder)); err != nil {
		return err
	}
	b.at(AtSwapSynced)
	return b.fs.RemoveAll(aside) // only entries that nobody can reach; what a crash leaves, Open clears
}

const tempAge = 24 * time.Hour

// clearTemp removes temporary files of a day ago and earlier. If one belonged to a living process, its
// link would fail and its create would be tried again: a wrong clock does no harm.
func (b *Bucket) clearTemp() error {
	names, err := b.fs.List(b.path(tempFolder))
	if err != nil {
		return err
	}
	for _, name := range names {
		p := b.fs.PathJoin(b.path(tempFolder), name)
		info, err := b.fs.Stat(p)
		if err != nil || time.Since(info.ModTime()) < tempAge {
			continue
		}
		if err := b.fs.RemoveAll(p); err != nil {
			return err
		}
	}
	return nil
}
