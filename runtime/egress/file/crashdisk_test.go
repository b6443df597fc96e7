package file

import (
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
)

var (
	errCrashed = errors.New("the machine has crashed")
	errIO      = errors.New("input/output error")
)

// crashDisk is a disk that forgets. What was not synced survives a crash in part: writes torn,
// left out, or as a hole; names as a prefix of their changes.
type crashDisk struct {
	mu      sync.Mutex
	rnd     *rand.Rand
	names   map[string]*inode // as seen
	durable map[string]*inode // as synced
	changes []func(map[string]*inode)

	ops     int // counted
	crashAt int // the operation in which the machine crashes; 0: none
	failAt  int // the operation that fails once; 0: none
}

type inode struct {
	seen   []byte
	synced []byte
	ops    []fileOp
	locked bool
}

// fileOp is a write, or a truncation if data is nil.
type fileOp struct {
	at   int64
	data []byte
}

func newCrashDisk(rnd *rand.Rand) *crashDisk {
	return &crashDisk{rnd: rnd, names: map[string]*inode{}, durable: map[string]*inode{}}
}

// step counts an operation. crashed: it happens, perhaps, but nobody learns of it.
func (d *crashDisk) step() (crashed bool, err error) {
	d.ops++
	switch {
	case d.crashAt > 0 && d.ops > d.crashAt:
		return true, errCrashed
	case d.crashAt > 0 && d.ops == d.crashAt:
		return true, nil
	case d.failAt > 0 && d.ops == d.failAt:
		return false, errIO
	}
	return false, nil
}

// after is the disk that the next start finds.
func (d *crashDisk) after() *crashDisk {
	next := newCrashDisk(d.rnd)
	for _, change := range d.changes[:d.rnd.IntN(len(d.changes)+1)] {
		change(d.durable)
	}
	for _, name := range slices.Sorted(maps.Keys(d.durable)) {
		b := d.durable[name].afterCrash(d.rnd)
		next.names[name] = &inode{seen: slices.Clone(b), synced: b}
	}
	next.durable = maps.Clone(next.names)
	return next
}

func (n *inode) afterCrash(rnd *rand.Rand) []byte {
	b := slices.Clone(n.synced)
	for _, op := range n.ops {
		switch rnd.IntN(4) {
		case 0: // left out
		case 1: // the file has grown, its bytes are missing
			if op.data != nil {
				b = grown(b, op.at+int64(len(op.data)))
			}
		case 2: // torn
			if op.data != nil {
				op.data = op.data[:rnd.IntN(len(op.data)+1)]
			}
			b = op.apply(b)
		case 3:
			b = op.apply(b)
		}
	}
	return b
}

func grown(b []byte, size int64) []byte {
	if grow := size - int64(len(b)); grow > 0 {
		b = append(b, make([]byte, grow)...)
	}
	return b
}

func (op fileOp) apply(b []byte) []byte {
	if op.data == nil {
		return grown(b, op.at)[:op.at]
	}
	b = grown(b, op.at+int64(len(op.data)))
	copy(b[op.at:], op.data)
	return b
}

func (d *crashDisk) Open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	crashed, err := d.step()
	if err != nil {
		return nil, err
	}
	if d.names[name] == nil {
		n := new(inode)
		d.change(func(names map[string]*inode) { names[name] = n })
	}
	if crashed {
		return nil, errCrashed
	}
	return &crashFile{disk: d, inode: d.names[name]}, nil
}

func (d *crashDisk) change(f func(map[string]*inode)) {
	f(d.names)
	d.changes = append(d.changes, f)
}

func (d *crashDisk) ReadAll(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	crashed, err := d.step()
	switch {
	case err != nil:
		return nil, err
	case crashed:
		return nil, errCrashed
	case d.names[name] == nil:
		return nil, os.ErrNotExist
	}
	return slices.Clone(d.names[name].seen), nil
}

func (d *crashDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	crashed, err := d.step()
	if err != nil {
		return err
	}
	n := d.names[from]
	d.change(func(names map[string]*inode) {
		delete(names, from)
		names[to] = n
	})
	return afterwards(crashed)
}

func (d *crashDisk) SyncFolder(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	crashed, err := d.step()
	if err != nil {
		return err
	}
	if !crashed {
		d.durable, d.changes = maps.Clone(d.names), nil
	}
	return afterwards(crashed)
}

func afterwards(crashed bool) error {
	if crashed {
		return errCrashed
	}
	return nil
}

type crashFile struct {
	disk  *crashDisk
	inode *inode
	holds bool
}

func (f *crashFile) Lock() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.inode.locked {
		return errLocked
	}
	f.inode.locked, f.holds = true, true
	return nil
}

func (f *crashFile) Close() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.holds {
		f.inode.locked, f.holds = false, false
	}
	return nil
}

func (f *crashFile) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	crashed, err := f.disk.step()
	return int64(len(f.inode.seen)), errors.Join(err, afterwards(crashed))
}

func (f *crashFile) ReadAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if crashed, err := f.disk.step(); err != nil || crashed {
		return 0, errors.Join(err, afterwards(crashed))
	}
	if at >= int64(len(f.inode.seen)) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.seen[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) WriteAt(b []byte, at int64) (int, error) {
	b = slices.Clone(b)
	if err := f.do(fileOp{at: at, data: b}); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (f *crashFile) Truncate(size int64) error { return f.do(fileOp{at: size}) }

func (f *crashFile) do(op fileOp) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	crashed, err := f.disk.step()
	if errors.Is(err, errIO) && op.data != nil { // a short write
		op.data = op.data[:f.disk.rnd.IntN(len(op.data)+1)]
	} else if err != nil {
		return err
	}
	f.inode.seen = op.apply(f.inode.seen)
	f.inode.ops = append(f.inode.ops, op)
	return errors.Join(err, afterwards(crashed))
}

func (f *crashFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	crashed, err := f.disk.step()
	switch {
	case errors.Is(err, errIO): // what was to be synced is marked clean and never written
		f.inode.ops = nil
		return err
	case err != nil:
		return err
	case crashed:
		return errCrashed
	}
	f.inode.synced, f.inode.ops = slices.Clone(f.inode.seen), nil
	return nil
}
