package shard

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Base is a full copy of a shard's files at one checkpoint, for the bucket. It lies on the node's disk, as
// hard links where the file system has them, until Close.
type Base struct {
	Meta
	// PebbleFormat is the format major version of the files; zero for those of a Set in memory.
	PebbleFormat int
	// Files are sorted by name. A store without a database has none.
	Files []BaseFile

	open  func(name string) (io.ReadCloser, error)
	fs    vfs.FS // nil for a base in memory
	dir   string
	close func() error
}

// BaseFile is one file of a Base. A file whose Name, Size and Hash an earlier base of the shard has is the same file
// and need not be uploaded again. The name alone does not tell: two nodes may both have made it.
type BaseFile struct {
	Name string
	Size int64  // bytes
	Hash uint64 // XXH64 (seed 0) of the content
}

// Bytes is the size of all files.
func (b *Base) Bytes() int64 {
	n := int64(0)
	for i := range b.Files {
		n += b.Files[i].Size
	}
	return n
}

// Folder is where the files lie until Close, with nothing else beside them but logs, which are empty. The file system
// is nil for a base of a Set in memory.
func (b *Base) Folder() (fs vfs.FS, dir string) { return b.fs, b.dir }

// Open reads one of Files. The caller closes the reader, before Close.
func (b *Base) Open(name string) (io.ReadCloser, error) {
	known := func(f BaseFile) bool { return f.Name == name }
	if !slices.ContainsFunc(b.Files, known) {
		return nil, fmt.Errorf("base of shard %d at checkpoint %d has no file %q", b.Shard, b.Checkpoint, name)
	}
	return b.open(name)
}

// Close deletes the copy.
func (b *Base) Close() error {
	if b.close == nil {
		return nil
	}
	return b.close()
}

// fileSums remembers the hashes of table files, which never change.
type fileSums struct {
	mu    sync.Mutex
	known map[string]BaseFile
}

// keep replaces what is remembered by the immutable ones of files.
func (s *fileSums) keep(files []BaseFile) {
	known := make(map[string]BaseFile, len(files))
	for _, f := range files {
		if strings.HasSuffix(f.Name, ".sst") || strings.HasSuffix(f.Name, ".blob") {
			known[f.Name] = f
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = known
}

func (s *fileSums) get(name string) (BaseFile, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.known[name]
	return f, ok
}

// export flushes, because without a log the files alone must hold everything, and links the files.
func (e *pebbleEngine) export() (_ *Base, err error) {
	if err := e.flush(); err != nil {
		return nil, err
	}
	dir := e.aside()
	if err := e.db.Checkpoint(dir); err != nil {
		return nil, err
	}
	b := &Base{
		PebbleFormat: int(e.db.FormatMajorVersion()), //nolint:gosec // a small number
		open: func(name string) (io.ReadCloser, error) {
			return e.fs.Open(e.fs.PathJoin(dir, name), vfs.SequentialReadsOption)
		},
		fs:    e.fs,
		dir:   dir,
		close: func() error { return e.fs.RemoveAll(dir) },
	}
	if b.Files, err = e.list(dir); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	e.sums.keep(b.Files)
	return b, nil
}

// list describes the files of an export. Logs are empty and not needed.
func (e *pebbleEngine) list(dir string) ([]BaseFile, error) {
	names, err := e.fs.List(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var files []BaseFile
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			continue
		}
		f, ok := e.sums.get(name)
		if !ok {
			if f, err = e.sum(dir, name); err != nil {
				return nil, err
			}
		}
		files = append(files, f)
	}
	return files, nil
}

func (e *pebbleEngine) sum(dir, name string) (BaseFile, error) {
	f, err := e.fs.Open(e.fs.PathJoin(dir, name), vfs.SequentialReadsOption)
	if err != nil {
		return BaseFile{}, err
	}
	h := xxhash.New()
	n, err := io.Copy(h, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return BaseFile{}, err
	}
	return BaseFile{Name: name, Size: n, Hash: h.Sum64()}, nil
}
