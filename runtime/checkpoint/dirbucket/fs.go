package dirbucket

import (
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system below a bucket: Pebble's, with one step more.
type FS interface {
	vfs.FS

	// Exchange swaps what two names stand for, in one atomic step; both must exist. It returns
	// errors.ErrUnsupported where there is no such step, and has changed nothing then.
	Exchange(a, b string) error
}

// OS is the file system of the operating system.
func OS() FS { return osFS{vfs.Default} }

type osFS struct{ vfs.FS }

// Mem is a file system in memory with an atomic Exchange, for tests that crash it: see Crash.
type Mem struct {
	*vfs.MemFS

	mu sync.RWMutex // held for writing while two names are swapped, for reading by what uses names
}

// NewMem returns an empty file system that can crash.
func NewMem() *Mem { return &Mem{MemFS: vfs.NewCrashableMem()} }

// Crash returns the file system as it may be found after a loss of power now: with all that was
// synced, and with each block and name that was not by the chance in cfg.
func (m *Mem) Crash(cfg vfs.CrashCloneCfg) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Mem{MemFS: m.CrashClone(cfg)}
}

// Exchange implements FS.
func (m *Mem) Exchange(a, b string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range []string{a, b} {
		if _, err := m.MemFS.Stat(name); err != nil {
			return err
		}
	}
	aside := a + ".aside"
	if err := m.MemFS.Rename(a, aside); err != nil {
		return err
	}
	if err := m.MemFS.Rename(b, a); err != nil {
		return err
	}
	return m.MemFS.Rename(aside, b)
}

// Create implements vfs.FS.
func (m *Mem) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.MemFS.Create(name, c)
}

// Link implements vfs.FS.
func (m *Mem) Link(oldname, newname string) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.MemFS.Link(oldname, newname)
}

// Open implements vfs.FS.
func (m *Mem) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.MemFS.Open(name, opts...)
}

// OpenDir implements vfs.FS.
func (m *Mem) OpenDir(name string) (vfs.File, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.MemFS.OpenDir(name)
}

// MkdirAll implements vfs.FS.
func (m *Mem) MkdirAll(dir string, perm os.FileMode) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.MemFS.MkdirAll(dir, perm)
}

// List implements vfs.FS.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.MemFS.List(dir)
}

// Stat implements vfs.FS.
func (m *Mem) Stat(name string) (vfs.FileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.MemFS.Stat(name)
}
