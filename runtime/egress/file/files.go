package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// errLocked: another process, or another egress of this one, appends to the file.
var errLocked = errors.New("locked by another process or egress")

// files is what this package needs of a disk. Nothing is durable before a Sync of the file and, for
// its name, a SyncFolder.
type files interface {
	// Open opens for reading and writing, and makes an empty file if there is none.
	Open(name string) (file, error)
	// ReadAll fails with os.ErrNotExist if there is no such file.
	ReadAll(name string) ([]byte, error)
	// Rename replaces to.
	Rename(from, to string) error
	// SyncFolder makes the names in the folder of name durable.
	SyncFolder(name string) error
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
	// Lock fails with errLocked if somebody holds it. It ends with Close.
	Lock() error
}

// disk is the operating system's.
type disk struct{}

type diskFile struct{ *os.File }

func (disk) Open(name string) (file, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // for others to read
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (disk) ReadAll(name string) ([]byte, error) { return os.ReadFile(name) }

func (disk) Rename(from, to string) error { return os.Rename(from, to) }

func (disk) SyncFolder(name string) error {
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a regular file", f.Name())
	}
	return info.Size(), nil
}

func (f diskFile) Lock() error { return lock(f.File) }
