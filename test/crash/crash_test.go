// Package crash kills the real binary under load, again and again, and compares what is left with a model.
//
// Clients send operations over HTTP and repeat each until it is answered with 2xx; the functions run in a process of their own that dies,
// too, and fail now and then. In the end every account must hold exactly what the operations lead to, messages of each pair must
// have come in order, cancelled messages never, and each record of the exactly-once egress once.
//
// STATEWAY_CRASH_SECONDS is how long the killing lasts, by default 20 s; STATEWAY_CRASH_SEED chooses operations and pauses.
package crash

import (
	"os"
	"testing"
	"time"

	"github.com/stateway/stateway/test/crash/bank"
	"github.com/stateway/stateway/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

// TestKill kills the node about once a second and the functions in between.
func TestKill(t *testing.T) {
	w := newWorld(t)
	w.run(harness.KillTime(), func(int) {})
}

// TestKillAndLoseTheDisk deletes the data directory at every other kill, so that only the bucket is left.
func TestKillAndLoseTheDisk(t *testing.T) {
	w := newWorld(t)
	w.run(harness.KillTime()/2, func(kill int) {
		if kill%2 == 1 {
			w.loseDisk("node-a")
		}
	})
}

func (w *world) loseDisk(name string) {
	w.t.Helper()
	if err := os.RemoveAll(w.node(name).Data); err != nil {
		w.t.Fatal(err)
	}
}

// run loads one node and kills it until the time is over, calling atKill while it is dead. Then it compares.
func (w *world) run(lasts time.Duration, atKill func(kill int)) {
	w.t.Helper()
	n := harness.MustStartNode(w.t, w.node("node-a"))
	n.MustReady(w.t)
	stop := make(chan struct{})
	ops := w.load(stop)
	functionsDone := w.killFunctions(stop)
	kills := 0
	for k := harness.NewKiller(w.seed, lasts); k.Pause(1300 * time.Millisecond); kills++ {
		if !n.Alive() {
			w.t.Fatalf("the node ended by itself: %v", n.Err())
		}
		n.Kill()
		atKill(kills)
		n = harness.MustStartNode(w.t, w.node("node-a"))
		if k.Rand.IntN(4) > 0 { // now and then it is killed again before it is ready
			n.MustReady(w.t)
		}
	}
	n.MustReady(w.t)
	close(stop)
	<-functionsDone
	taken := <-ops
	w.t.Logf("%d operations, %d kills", len(taken), kills)
	w.compare(n, taken, kills)
}

// killFunctions kills the function server every two seconds or so until stop is closed, and then leaves one running.
func (w *world) killFunctions(stop <-chan struct{}) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for k := harness.NewKiller(w.seed+1, time.Hour); !closed(stop) && !w.t.Failed(); {
			k.Pause(2500 * time.Millisecond)
			if err := w.restartFunctions(time.Duration(k.Rand.Int64N(300)) * time.Millisecond); err != nil {
				w.t.Error(err)
			}
		}
	}()
	return done
}

// compare checks states and records, ends the node in order, and checks the states once more from the bucket alone.
func (w *world) compare(n *harness.Node, taken []bank.Op, kills int) {
	w.t.Helper()
	if len(taken) < clients || kills == 0 {
		w.t.Fatalf("%d operations and %d kills prove nothing", len(taken), kills)
	}
	w.expectDrained(taken)
	w.expectRecords(taken)
	if err := n.Stop(20 * time.Second); err != nil {
		w.t.Fatalf("SIGTERM: %v", err)
	}
	w.loseDisk(n.Name())
	n = harness.MustStartNode(w.t, w.node(n.Name()))
	n.MustReady(w.t)
	w.expectDrained(taken)
	w.expectRecords(taken)
}

// TestTakeover runs two processes on one bucket: one leads, the other waits, and takes over when the first is killed.
func TestTakeover(t *testing.T) {
	w := newWorld(t)
	leader := harness.MustStartNode(t, w.node("node-a"))
	leader.MustReady(t)
	waiter := harness.MustStartNode(t, w.node("node-b"))
	stop := make(chan struct{})
	ops := w.load(stop)
	kills := 0
	for k := harness.NewKiller(w.seed, harness.KillTime()/2); k.Pause(2200 * time.Millisecond); kills++ {
		if !leader.Alive() || !waiter.Alive() {
			t.Fatalf("a process ended by itself: leader alive %t, waiter alive %t", leader.Alive(), waiter.Alive())
		}
		if waiter.Ready(t.Context()) == nil {
			t.Fatal("both processes say that they are ready")
		}
		leader.Kill()
		waiter.MustReady(t)
		leader, waiter = waiter, harness.MustStartNode(t, w.node(leader.Name()))
	}
	close(stop)
	taken := <-ops
	t.Logf("%d operations, %d takeovers", len(taken), kills)
	waiter.Kill()
	w.compare(leader, taken, kills)
}
