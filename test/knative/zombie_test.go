package knative

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// slow is what a worker does whose work takes longer than the proxy lets a request take.
type slow struct {
	goOn chan struct{} // closed when zombies may come to their end

	mu      sync.Mutex
	tries   map[string]int // by message; guarded by mu, as all below
	zombies int            // tries that go on though nobody waits for them
	overlap int            // tries that began while there was one
}

func newSlow() *slow { return &slow{goOn: make(chan struct{}), tries: map[string]int{}} }

// try counts a try, and tells its number.
func (s *slow) try(message string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[message]++
	if s.tries[message] > 1 && s.zombies > 0 {
		s.overlap++
	}
	return s.tries[message]
}

// linger goes on until the client has gone, and longer.
func (s *slow) linger(ctx context.Context) {
	s.rise(1)
	<-ctx.Done()
	<-s.goOn
	s.rise(-1)
}

func (s *slow) rise(zombies int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zombies += zombies
}

func (s *slow) look(message string) (tries, zombies, overlap int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries[message], s.zombies, s.overlap
}

// TestZombie lets the first try of a message go on when the proxy has answered 504 in its stead. The next try overlaps it and counts; the
// zombie's effects, complete when that is over, do not.
func TestZombie(t *testing.T) {
	parallel(t)
	const addresses = 3
	z := newSlow()
	s := newServer(t)
	s.work = func(ctx context.Context, id string, m step) {
		if z.try(fmt.Sprint(id, m.N)) == 1 && m.N == 2 && m.Millis > 0 {
			z.linger(ctx)
		}
	}
	s.start()
	q := harness.MustStartQueueProxy(t, harness.QueueProxyConfig{UserPort: s.port, Timeout: time.Second})
	w := newWorld(t, q.URL)
	w.send("quick", 20, 2, 0)
	w.send("slow", addresses, 4, time.Second)
	w.expectAll(30 * time.Second)
	if _, zombies, overlap := z.look(""); zombies != addresses || overlap < addresses {
		t.Errorf("%d zombies, and %d tries beside one: want %d", zombies, overlap, addresses)
	}
	w.expect("stateway_requests_total", 1, "outcome", "trouble")
	close(z.goOn)
	harness.Eventually(t, 10*time.Second, func() bool { _, zombies, _ := z.look(""); return zombies == 0 }, func() string { return "the end of the zombies" })
	w.send("later", 20, 2, 0) // and a few checkpoints more
	w.expectAll(20 * time.Second)
	w.expectInnocent()
}

// TestAlwaysTooSlow has one message that always takes longer than the proxy allows. It strikes its Address alone, ten times, and then
// goes to the dead letters; what waits behind it and everybody else go on.
func TestAlwaysTooSlow(t *testing.T) {
	parallel(t)
	z := newSlow()
	close(z.goOn)
	s := newServer(t)
	s.work = func(ctx context.Context, id string, m step) {
		if id == "slow-0" && m.N == 1 {
			z.try(id)
			z.linger(ctx)
		}
	}
	s.start()
	q := harness.MustStartQueueProxy(t, harness.QueueProxyConfig{UserPort: s.port, Timeout: time.Second})
	w := newWorld(t, q.URL)
	w.send("slow", 1, 1, 0)
	for i := 0; len(w.records("dead")) == 0; i++ { // others must succeed in between
		if i == 500 {
			t.Fatalf("no dead letter: %s", w.summary())
		}
		w.send(fmt.Sprintf("quick%d", i), 2, 2, 0)
		time.Sleep(100 * time.Millisecond)
	}
	w.sent[0].Addresses = 0 // what it would have led to
	w.expectAll(20 * time.Second)
	tries, _, _ := z.look("slow-0")
	if letters := w.metric("stateway_dead_letters_total"); letters != 1 || tries < 10 {
		t.Errorf("%v dead letters after %d tries, want 1 after 10 or more", letters, tries)
	}
}
