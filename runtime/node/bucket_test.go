package node_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/ingress"
	source "github.com/stateway/stateway/runtime/ingress/memory"
	"github.com/stateway/stateway/runtime/node"
)

// Requests that fail, whose answers get lost and that take long delay checkpoints and change nothing else.
func TestBucketFaults(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0)) // guarded by mu
	hit := map[string]int{}                  // guarded by mu
	y := newTally(t, 10_000, 50)
	y.config.Bucket = &membucket.Faulty{Under: &membucket.Bucket{}, Hook: func(op membucket.Op) (f membucket.Fault) {
		mu.Lock()
		defer mu.Unlock()
		kind := op.Kind.String() + " segment"
		if strings.Contains(op.Key, "/control/") {
			kind = op.Kind.String() + " control"
		}
		often := 20 // a start needs many reads in a row
		if op.Kind == membucket.OpCreate || op.Kind == membucket.OpCreateFrom {
			often = 6
		}
		switch random.IntN(often) {
		case 0:
			f.Before = membucket.ErrInjected
		case 1:
			f.After = membucket.ErrInjected
		case 2:
			f.Delay = time.Duration(random.IntN(4)) * time.Millisecond
		default:
			return f
		}
		hit[kind]++
		return f
	}, Slow: func(_ membucket.Op, d time.Duration) { time.Sleep(d) }}
	for _, lose := range []bool{false, true} {
		x := y.startDespiteFaults()
		stop := min(len(y.out.Records())+2000, 10_000) // the node before may have published nearly all at once
		x.eventually("some records are published", func() bool { return len(y.out.Records()) >= stop })
		x.kill()
		if lose {
			if err := os.RemoveAll(y.config.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	x := y.startDespiteFaults()
	y.done(x)
	y.verify(x)
	mu.Lock() // the node still runs
	defer mu.Unlock()
	t.Logf("faults: %v", hit)
	if hit["Create control"] == 0 || hit["Create segment"]+hit["CreateFrom segment"] == 0 {
		t.Errorf("no create of a manifest or of a segment met a fault: %v", hit)
	}
}

// startDespiteFaults starts nodes until one gets through to being the leader: the first requests of a start are not repeated.
func (y *tally) startDespiteFaults() *running {
	y.t.Helper()
	for {
		x := y.start()
		for x.Waiting() != "" {
			select {
			case <-x.ended:
			case <-time.After(time.Millisecond):
				continue
			}
			break
		}
		if x.Waiting() == "" {
			return x
		}
		if !strings.Contains(x.err.Error(), membucket.ErrInjected.Error()) {
			y.t.Fatal(x.err)
		}
	}
}

// counted is a bucket that counts requests.
type counted struct {
	creates, reads atomic.Int64
}

func (c *counted) bucket() *membucket.Faulty {
	return &membucket.Faulty{Under: &membucket.Bucket{}, Hook: func(op membucket.Op) membucket.Fault {
		switch op.Kind {
		case membucket.OpCreate, membucket.OpCreateFrom:
			c.creates.Add(1)
		default:
			c.reads.Add(1)
		}
		return membucket.Fault{}
	}}
}

// alone runs the test in a process of its own, where it reports true: Pebble's pools would hand a bubble's channels to other tests.
func alone(t *testing.T) bool {
	t.Helper()
	const here = "STATEWAY_TEST_ALONE"
	if os.Getenv(here) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1") //nolint:gosec // this program
	cmd.Env = append(os.Environ(), here+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// An idle node writes nothing and reads once in a lease time; one that has work to do makes a checkpoint every so often, and one
// for which somebody waits makes it early.
func TestPacing(t *testing.T) {
	if !alone(t) {
		return
	}
	synctest.Test(t, func(t *testing.T) {
		var c counted
		app := stateway.New()
		app.Function("test/count", increment, count)
		r := newRig(t, app)
		log := source.NewLog(source.Options{Router: ingress.Targets("test/count")})
		log.AddPartition("p")
		r.reads("test/log", log)
		door := &door{sink: make(chan ingress.Sink, 1)}
		r.parts.Ingresses = append(r.parts.Ingresses, node.Ingress{ID: "test/door", Open: func() (ingress.Ingress, error) { return door, nil }})
		r.config.Bucket, r.config.FS, r.config.Data = c.bucket(), vfs.NewMem(), "/data"
		r.config.CheckpointEvery, r.config.Lease = 10*time.Second, 2*time.Second
		ctx, cancel := context.WithCancel(t.Context())
		n := r.make()
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		time.Sleep(time.Minute)
		if w := n.Waiting(); w != "" {
			t.Fatalf("the node waits for %s", w)
		}

		creates, reads := c.creates.Load(), c.reads.Load()
		time.Sleep(10 * time.Minute)
		if got := c.creates.Load() - creates; got != 0 {
			t.Errorf("an idle node created %d objects", got)
		}
		if got := c.reads.Load() - reads; got < 290 || got > 305 {
			t.Errorf("an idle node made %d requests in ten minutes, want one look at the log, of one request, every 2 s", got)
		}

		creates = c.creates.Load()
		for range 600 { // ten a second for a minute
			log.Append("p", ingress.Record{Key: "k", Typename: ingress.TypeLong})
			time.Sleep(100 * time.Millisecond)
		}
		if got := c.creates.Load() - creates; got < 10 || got > 16 {
			t.Errorf("%d objects in a minute, want a segment and a manifest every 10 s", got)
		}

		time.Sleep(20 * time.Second)
		began, answer := time.Now(), make(chan error, 1)
		sink := <-door.sink
		log.Append("p", ingress.Record{Key: "k", Typename: ingress.TypeLong}) // so that the usual checkpoint is 10 s away
		time.Sleep(time.Second)
		if err := sink.Put(t.Context(), door.batch("k", func(err error) { answer <- err })); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; err != nil {
			t.Errorf("ack: %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("who waits got the answer after %s, want it early", took)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
