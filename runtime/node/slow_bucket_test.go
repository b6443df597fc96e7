package node_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/node"
)

// stuck is a bucket in memory of which some requests hang, whatever their context says, until the test ends or lets go.
type stuck struct {
	*membucket.Faulty
	hits atomic.Int64
	free chan struct{}

	mu    sync.Mutex
	hangs func(membucket.Op) bool  // guarded by mu; nil: none
	fails func(membucket.Op) error // guarded by mu; nil: none
}

func newStuck(t *testing.T) *stuck {
	s := &stuck{free: make(chan struct{})}
	s.Faulty = &membucket.Faulty{
		Under: &membucket.Bucket{},
		Hook: func(op membucket.Op) (f membucket.Fault) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.hangs != nil && s.hangs(op) {
				s.hits.Add(1)
				f.Delay = time.Hour
			}
			if s.fails != nil {
				f.Before = s.fails(op)
			}
			return f
		},
		Slow: func(membucket.Op, time.Duration) { <-s.free },
	}
	t.Cleanup(func() { close(s.free) })
	return s
}

// hang lets requests hang from now on.
func (s *stuck) hang(which func(membucket.Op) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = which
}

// fail lets requests fail from now on.
func (s *stuck) fail(which func(membucket.Op) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = which
}

func creates(op membucket.Op) bool {
	return op.Kind == membucket.OpCreate || op.Kind == membucket.OpCreateFrom
}

// countingWriter counts what it is given.
type countingWriter struct{ n atomic.Int64 }

func (w *countingWriter) Write(b []byte) (int, error) {
	w.n.Add(int64(len(b)))
	return len(b), nil
}

// A read that was given up writes nothing more, whenever the bucket goes on.
func TestReadsThatWereGivenUpWriteNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStuck(t)
		if err := b.Create(t.Context(), "app/a", []byte("0123456789")); err != nil {
			t.Fatal(err)
		}
		p := node.NewPatient(b, time.Second)
		var w countingWriter
		if err := p.ReadTo(t.Context(), "app/a", 2, 5, &w); err != nil || w.n.Load() != 5 {
			t.Errorf("%d bytes, %v", w.n.Load(), err)
		}
		b.hang(func(op membucket.Op) bool { return op.Kind == membucket.OpReadRange })
		if err := p.ReadTo(t.Context(), "app/a", 2, 5, &w); err == nil || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("a read that hangs: %v", err)
		}
		b.free <- struct{}{}
		synctest.Wait()
		if w.n.Load() != 5 {
			t.Errorf("%d bytes were written after it was given up", w.n.Load()-5)
		}
	})
}

// No checkpoint waits for what is done beside it: here each of its requests hangs until the test ends.
func TestNoCheckpointWaitsForChores(t *testing.T) {
	for name, hangs := range map[string]func(membucket.Op) bool{
		"garbage collection": func(op membucket.Op) bool { return op.Kind == membucket.OpList || op.Kind == membucket.OpDelete },
		"look at the log": func(op membucket.Op) bool {
			return op.Kind == membucket.OpReadRange && strings.Contains(op.Key, "/control/")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, d, _ := newDoor(t)
			b := newStuck(t)
			r.config.Bucket, r.config.Lease = b, 20*time.Millisecond
			x := r.start().ready()
			sink := <-d.sink
			b.hang(hangs)
			if err := <-d.put(t, sink, "first"); err != nil { // nothing is collected before a generation's first manifest
				t.Fatal(err)
			}
			x.eventually("a request hangs", func() bool { return b.hits.Load() > 0 })
			for _, id := range []string{"a", "b", "c"} {
				if err := <-d.put(t, sink, id); err != nil {
					t.Fatal(err)
				}
			}
			if n := b.hits.Load(); n != 1 {
				t.Errorf("%d requests hang at once, want one", n)
			}
			x.halt()
		})
	}
}

// A request that hangs is given up after its time and made again.
func TestHangingRequestIsMadeAgain(t *testing.T) {
	for name, part := range map[string]string{"segment": "/segments/", "manifest": "/control/"} {
		t.Run(name, func(t *testing.T) {
			r, d, w := newDoor(t)
			b := newStuck(t)
			r.config.Bucket, r.config.BucketPatience = b, 20*time.Millisecond
			x := r.start().ready()
			sink := <-d.sink
			left := 3
			b.hang(func(op membucket.Op) bool {
				if left > 0 && creates(op) && strings.Contains(op.Key, part) {
					left--
					return true
				}
				return false
			})
			if err := <-d.put(t, sink, "a"); err != nil {
				t.Fatal(err)
			}
			if n := b.hits.Load(); n != 3 {
				t.Errorf("%d requests hung, want 3", n)
			}
			x.eventually("the record is out once", func() bool { return len(w.Records()) == 1 })
			x.halt()
		})
	}
}

// A node that is to end while the bucket is down gives its last checkpoint so long, says what is lost (nothing), and the next start goes on.
func TestHaltWithoutBucket(t *testing.T) {
	down := map[string]func(*stuck){
		"hangs": func(b *stuck) { b.hang(func(membucket.Op) bool { return true }) },
		"fails": func(b *stuck) { b.fail(func(membucket.Op) error { return membucket.ErrInjected }) },
	}
	for name, breakDown := range down {
		t.Run(name, func(t *testing.T) {
			y := newTally(t, 3000, 50)
			b := newStuck(t)
			y.config.Bucket, y.config.CommitPatience = b, 100*time.Millisecond
			x := y.start().ready()
			x.eventually("some records are published", func() bool { return len(y.out.Records()) > 200 })
			breakDown(b)
			x.cancel()
			if err := x.wait(); !errors.Is(err, node.ErrNotCommitted) {
				t.Fatalf("got %v, want %v", err, node.ErrNotCommitted)
			}
			b.hang(nil)
			b.fail(nil)
			x = y.start().ready()
			y.done(x)
			y.verify(x)
		})
	}
}

// A start that waits for a bucket that hangs ends at once when it is told to.
func TestHaltOfAStartThatHangs(t *testing.T) {
	r, _, _ := newDoor(t)
	b := newStuck(t)
	b.hang(func(membucket.Op) bool { return true })
	r.config.Bucket = b
	x := r.start()
	x.eventually("a request hangs", func() bool { return b.hits.Load() > 0 })
	x.halt()
}

// However many wait, checkpoints keep the pace that the bucket allows: at most half of the time goes into them.
func TestFloorFollowsTheBucket(t *testing.T) {
	if !alone(t) {
		return
	}
	synctest.Test(t, func(t *testing.T) {
		const latency = 100 * time.Millisecond
		r, d, _ := newDoor(t)
		r.config.Bucket = &membucket.Faulty{
			Under: &membucket.Bucket{},
			Hook:  func(membucket.Op) membucket.Fault { return membucket.Fault{Delay: latency} },
			Slow:  func(_ membucket.Op, d time.Duration) { time.Sleep(d) },
		}
		r.config.FS, r.config.Data, r.config.CheckpointEvery = vfs.NewMem(), "/data", 10*time.Second
		ctx, cancel := context.WithCancel(t.Context())
		n := r.make()
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		sink := <-d.sink
		put := func(id int) {
			answer := make(chan error, 1)
			if err := sink.Put(t.Context(), d.batch(string(rune('a'+id)), func(err error) { answer <- err })); err != nil {
				t.Fatal(err)
			}
			if err := <-answer; err != nil {
				t.Fatal(err)
			}
		}
		for i := range 10 {
			put(i) // until the latency is known
		}
		began, rounds := time.Now(), 20
		for i := range rounds {
			put(10 + i)
		}
		// Each needs a segment and a manifest, and so long again passes before the next may begin.
		if took, least := time.Since(began), time.Duration(rounds)*4*latency; took < least*9/10 || took > least*3/2 {
			t.Errorf("%d checkpoints in a row took %s, want about %s on a bucket that takes %s a request", rounds, took, least, latency)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
