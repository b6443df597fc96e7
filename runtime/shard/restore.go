package shard

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/core"
)

// Restore fills an empty Store with the files of a base. Create every file, in any order and concurrently, then
// Finish; or Abort. It belongs to one goroutine except for Create.
type Restore struct {
	store *Store
	stage staging
	done  bool
}

// Restore begins to fill the store, which must be empty: Checkpoint is zero and nothing was committed.
func (s *Store) Restore() (*Restore, error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.Meta().Checkpoint != 0 || s.db.Load() != nil {
		return nil, fmt.Errorf("restore shard %d: its store holds checkpoint %d already", s.id, s.Meta().Checkpoint)
	}
	stage, err := s.set.disk.stage(s.id)
	if err != nil {
		return nil, s.watch.fail("make room for a base", err)
	}
	return &Restore{store: s, stage: stage}, nil
}

// Create begins one file of the base, under the name that BaseFile gives. Close makes it durable; its error counts.
func (r *Restore) Create(name string) (io.WriteCloser, error) {
	if !plainName(name) {
		return nil, fmt.Errorf("%w: shard %d: %q is not the name of a file of a base", ErrBase, r.store.id, name)
	}
	return r.stage.create(name)
}

// plainName reports whether name is that of a file directly in its directory.
func plainName(name string) bool {
	if name == "" || len(name) > 200 || name[0] == '.' {
		return false
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// Finish opens the files, which must be the base of this shard at checkpoint base; the store then holds it. If they are
// not, it returns an ErrBase and the store stays empty.
func (r *Restore) Finish(base core.CheckpointID) error {
	s := r.store
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := errors.Join(s.check(), r.end()); err != nil {
		return errors.Join(err, r.stage.abort())
	}
	if s.Meta().Checkpoint != 0 || s.db.Load() != nil {
		return errors.Join(fmt.Errorf("restore shard %d: something was committed meanwhile", s.id), r.stage.abort())
	}
	e, meta, types, err := s.open(r.stage.promote, Want{Base: base, Point: base, Adopted: true})
	if err != nil {
		return r.reject(base, err)
	}
	meta.Application = s.set.options.Application // and on the disk with the next commit; until then a start fetches the base again
	s.install(e, meta, types)
	return nil
}

// reject deletes what was staged.
func (r *Restore) reject(base core.CheckpointID, why error) error {
	s := r.store
	err := fmt.Errorf("%w: shard %d, base of checkpoint %d: %w", ErrBase, s.id, base, why)
	if gone := s.set.disk.remove(s.id); gone != nil {
		return s.watch.fail("delete a damaged base", gone)
	}
	return err
}

// Abort deletes the files; the store stays empty. After Finish it does nothing.
func (r *Restore) Abort() error {
	if err := r.end(); err != nil {
		return nil
	}
	return r.stage.abort()
}

func (r *Restore) end() error {
	if r.done {
		return fmt.Errorf("restore shard %d: it was finished or aborted already", r.store.id)
	}
	r.done = true
	return nil
}

// stagedFiles is the directory in which a base of a shard is put together.
type stagedFiles struct {
	disk  *pebbleDisk
	dir   string
	shard core.ShardID
}

func (d *pebbleDisk) stage(id core.ShardID) (staging, error) {
	dir := d.asidePath(id)
	if err := d.fs.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &stagedFiles{disk: d, dir: dir, shard: id}, nil
}

func (f *stagedFiles) create(name string) (io.WriteCloser, error) {
	file, err := f.disk.fs.Create(f.disk.fs.PathJoin(f.dir, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return syncedFile{file}, nil
}

// syncedFile is durable when it is closed.
type syncedFile struct{ vfs.File }

func (f syncedFile) Close() error { return errors.Join(f.Sync(), f.File.Close()) }

func (f *stagedFiles) promote(w *watch) (engine, error) {
	d := f.disk
	dir := d.shardDir(f.shard)
	if err := errors.Join(d.syncDir(f.dir), d.remove(f.shard)); err != nil {
		return nil, err
	}
	if err := d.fs.Rename(f.dir, dir); err != nil {
		return nil, err
	}
	if err := d.syncDir(d.path("shards")); err != nil {
		return nil, err
	}
	return orNil(openPebble(d, dir, false, w))
}

func (f *stagedFiles) abort() error { return f.disk.fs.RemoveAll(f.dir) }
