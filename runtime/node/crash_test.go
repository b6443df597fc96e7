package node_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
	"github.com/stateway/stateway/runtime/node"
)

// crashes is how many crashes a run of a crash test has.
const crashes = 4

var errPowerLost = errors.New("the power is gone")

// machine is a disk for the data directory and the bucket, which forgets at some moment what was not synced.
type machine struct {
	disk *dirbucket.Mem
	lost func() // cuts off the outside

	mu     sync.Mutex
	random *rand.Rand     // guarded by mu
	left   int            // writing operations until the crash; negative: none; guarded by mu
	after  *dirbucket.Mem // what the next machine finds; nil before the crash; guarded by mu
}

// boot makes a machine that crashes before its nth writing operation; never if n is negative.
func boot(disk *dirbucket.Mem, random *rand.Rand, n int, lost func()) *machine {
	return &machine{disk: disk, random: random, left: n, lost: lost}
}

// crash is what a loss of power does. What others see stops first: it came from what was synced.
func (m *machine) crashLocked() {
	m.lost()
	share := m.random.IntN(101)
	m.after = m.disk.Crash(vfs.CrashCloneCfg{UnsyncedDataPercent: share, RNG: rand.New(rand.NewPCG(m.random.Uint64(), 0))})
}

// operation counts a writing operation.
func (m *machine) operation() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left--; m.left == 0 && m.after == nil {
		m.crashLocked()
	}
}

// fs is the file system that a node gets.
func (m *machine) fs() dirbucket.FS {
	return countedFS{errorfs.Wrap(m.disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			m.operation()
		}
		return nil
	})), m}
}

type countedFS struct {
	vfs.FS
	m *machine
}

func (f countedFS) Exchange(a, b string) error {
	f.m.operation()
	return f.m.disk.Exchange(a, b)
}

// on changes a config to the machine's disk.
func (m *machine) on(t *testing.T, at func(dirbucket.Point)) func(*node.Config) {
	return func(c *node.Config) {
		c.FS, c.Data = m.fs(), "/data"
		c.Bucket = openBucket(t, "/bucket", dirbucket.Options{FS: m.fs(), At: at})
	}
}

// outlive waits for the crash, which comes at the latest when there is nothing more to do, ends the node and returns what the
// machine's successor finds.
func (m *machine) outlive(x *running, idle func() bool) *dirbucket.Mem {
	x.t.Helper()
	x.eventually("the power is lost", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.after == nil && idle() {
			m.crashLocked()
		}
		return m.after != nil
	})
	x.kill()
	return m.after
}

// crashing lets nodes crash on machine after machine, and checks what the last one ends with. prepare decides when a machine
// crashes: by its count of operations, or at the points that it is told of.
func (y *tally) crashing(random *rand.Rand, prepare func(m *machine) func(dirbucket.Point)) {
	t := y.t
	t.Helper()
	disk := dirbucket.NewMem()
	for range crashes {
		m := boot(disk, random, -1, func() { y.out.Fail(errPowerLost); y.fast.Fail(errPowerLost) })
		x := y.start(m.on(t, prepare(m)))
		disk = m.outlive(x, func() bool { return len(y.out.Records()) >= y.records })
		y.out.Fail(nil)
		y.fast.Fail(nil)
		if random.IntN(4) == 0 {
			if err := disk.RemoveAll("/data"); err != nil {
				t.Fatal(err)
			}
		}
	}
	x := y.start(boot(disk, random, -1, nil).on(t, nil)).ready()
	y.done(x)
	y.verify(x)
	x.kill()
}

// The power goes at any writing operation of the data directory or the bucket.
func TestCrashAnywhere(t *testing.T) {
	for range 8 {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		y := newTally(t, 6000, 50)
		y.crashing(random, func(m *machine) func(dirbucket.Point) {
			m.left = 1 + random.IntN(400)
			return nil
		})
	}
}

// The power goes at the named moments of a create: of a segment, a manifest, a base, whatever comes.
func TestCrashAtPoints(t *testing.T) {
	for _, point := range []dirbucket.Point{
		dirbucket.AtFolderMade, dirbucket.AtTempWritten, dirbucket.AtTempSynced, dirbucket.AtLinked, dirbucket.AtCreated,
	} {
		t.Run(string(point), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			y := newTally(t, 6000, 50)
			y.crashing(random, func(m *machine) func(dirbucket.Point) {
				left := 1 + random.IntN(20)
				if point == dirbucket.AtFolderMade {
					left = 1 // folders are made rarely
				}
				return func(at dirbucket.Point) {
					if at != point {
						return
					}
					m.mu.Lock()
					defer m.mu.Unlock()
					if left--; left == 0 && m.after == nil {
						m.crashLocked()
					}
				}
			})
		})
	}
}
