package shard

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/core"
)

// pebbleDisk is a data directory:
//
//	LOCK            held while the Set is open
//	id              the random id, 32 hexadecimal digits
//	shards/00007    a shard's Pebble database
//	stage/00007     files of a base that Restore is given
//	stage/…         exports under way and directories about to be deleted; emptied at every start
type pebbleDisk struct {
	fs          vfs.FS
	dir         string
	lock        io.Closer
	cache       *pebble.Cache
	files       *pebble.FileCache
	compactions *compactions
	options     *pebble.Options
	asides      atomic.Uint64 // numbers the directories under stage
}

const markName = "DAMAGED" // in a shard's directory: it is not to be opened again

func openDisk(o Options) (_ *pebbleDisk, id [16]byte, err error) {
	d := &pebbleDisk{fs: o.FS, dir: o.Dir, compactions: newCompactions(o.Compactions)}
	if err := d.makeDirs(); err != nil {
		return nil, id, fmt.Errorf("make data directory %s: %w", o.Dir, err)
	}
	if d.lock, err = lockDir(d.fs, o.Dir); err != nil {
		return nil, id, err
	}
	if id, err = d.prepare(o.ID); err != nil {
		return nil, id, errors.Join(fmt.Errorf("prepare data directory %s: %w", o.Dir, err), d.lock.Close())
	}
	d.cache = pebble.NewCache(o.CacheBytes)
	d.files = pebble.NewFileCache(fileCacheShards, o.OpenFiles)
	d.options = o.pebbleOptions(d.cache, d.files)
	return d, id, nil
}

// makeDirs makes the data directory and shards in it, and syncs every directory from there up to the first that was there.
func (d *pebbleDisk) makeDirs() error {
	var parents []string
	for dir := d.path("shards"); ; {
		there, err := d.exists(dir)
		if err != nil {
			return err
		}
		parent := d.fs.PathDir(dir)
		if there || parent == dir {
			break
		}
		parents = append(parents, parent)
		dir = parent
	}
	if err := d.fs.MkdirAll(d.path("shards"), 0o755); err != nil {
		return err
	}
	for _, dir := range parents {
		if err := d.syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func lockDir(fsys vfs.FS, dir string) (io.Closer, error) {
	lock, err := fsys.Lock(fsys.PathJoin(dir, "LOCK"))
	if err == nil {
		return lock, nil
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return nil, fmt.Errorf("lock data directory %s: %w", dir, err)
	}
	return nil, fmt.Errorf("%w: %s is locked by another stateway process (%w): stop that process, or give this one another --data directory", ErrLocked, dir, err)
}

// prepare empties stage and reads or makes the id.
func (d *pebbleDisk) prepare(wanted [16]byte) (id [16]byte, err error) {
	if err := d.fs.RemoveAll(d.path("stage")); err != nil {
		return id, err
	}
	if err := d.fs.MkdirAll(d.path("stage"), 0o755); err != nil {
		return id, err
	}
	id, err = d.readID()
	if err == nil {
		return id, nil
	}
	if !errors.Is(err, errID) && !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if id = wanted; id == ([16]byte{}) {
		_, _ = rand.Read(id[:]) // never fails
	}
	return id, d.writeID(id)
}

var errID = errors.New("not an id")

func (d *pebbleDisk) readID() (id [16]byte, err error) {
	f, err := d.fs.Open(d.path("id"))
	if err != nil {
		return id, err
	}
	b, err := io.ReadAll(io.LimitReader(f, 64))
	if err = errors.Join(err, f.Close()); err != nil {
		return id, err
	}
	text := strings.TrimSpace(string(b))
	if len(text) != hex.EncodedLen(len(id)) {
		return id, errID
	}
	if _, err := hex.Decode(id[:], []byte(text)); err != nil {
		return id, errID
	}
	return id, nil
}

func (d *pebbleDisk) writeID(id [16]byte) error {
	f, err := d.fs.Create(d.path("id.new"), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, hex.EncodeToString(id[:])+"\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := d.fs.Rename(d.path("id.new"), d.path("id")); err != nil {
		return err
	}
	return d.syncDir(d.dir)
}

func (d *pebbleDisk) path(names ...string) string {
	return d.fs.PathJoin(append([]string{d.dir}, names...)...)
}

func shardName(id core.ShardID) string { return fmt.Sprintf("%05d", id) }

func (d *pebbleDisk) shardDir(id core.ShardID) string { return d.path("shards", shardName(id)) }

// asidePath is a path under stage that was not used before.
func (d *pebbleDisk) asidePath(id core.ShardID) string {
	return d.path("stage", fmt.Sprintf("%s.%d", shardName(id), d.asides.Add(1)))
}

func (d *pebbleDisk) exportPath(id core.ShardID) func() string {
	return func() string { return d.asidePath(id) }
}

func (d *pebbleDisk) syncDir(dir string) error {
	f, err := d.fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *pebbleDisk) exists(path string) (bool, error) {
	_, err := d.fs.Stat(path)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return false, err
}

func (d *pebbleDisk) load(id core.ShardID, w *watch) (engine, error) {
	dir := d.shardDir(id)
	there, err := d.exists(dir)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, errNone
	}
	marked, err := d.exists(d.fs.PathJoin(dir, markName))
	if err != nil {
		return nil, err
	}
	if marked {
		return nil, fmt.Errorf("%w, as an earlier run found", errDamaged)
	}
	return orNil(openPebble(d, dir, false, w))
}

func (d *pebbleDisk) create(id core.ShardID, w *watch) (engine, error) {
	return orNil(openPebble(d, d.shardDir(id), true, w))
}

// orNil keeps a nil pointer from becoming an engine that is not nil.
func orNil(e *pebbleEngine, err error) (engine, error) {
	if err != nil {
		return nil, err
	}
	return e, nil
}

// remove moves the directory away first: half of a database must never be found under the shard's name.
func (d *pebbleDisk) remove(id core.ShardID) error {
	dir := d.shardDir(id)
	if there, err := d.exists(dir); err != nil || !there {
		return err
	}
	aside := d.asidePath(id)
	if err := d.fs.Rename(dir, aside); err != nil {
		return err
	}
	if err := d.syncDir(d.path("shards")); err != nil {
		return err
	}
	return d.fs.RemoveAll(aside)
}

func (d *pebbleDisk) mark(id core.ShardID, why error) {
	f, err := d.fs.Create(d.fs.PathJoin(d.shardDir(id), markName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return // the disk is failing; the node ends anyway
	}
	_, err = io.WriteString(f, why.Error()+"\n")
	_ = errors.Join(err, f.Sync(), f.Close(), d.syncDir(d.shardDir(id)))
}

func (d *pebbleDisk) metrics() Metrics {
	m := d.cache.Metrics()
	return Metrics{CacheBytes: m.Size, CacheHits: m.Hits, CacheMisses: m.Misses}
}

func (d *pebbleDisk) close() error {
	d.files.Unref()
	d.cache.Unref()
	return d.lock.Close()
}
