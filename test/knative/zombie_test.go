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
	mu      sync.Mutex
	tries   map[string]int // by message
	zombies int            // tries that run though nobody waits for them
	most    int            // that ran when another try of the same message began
	over    int            // that have come to their end
}

// try counts a try, and tells its number.
func (s *slow) try(message string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[message]++
	if s.tries[message] > 1 {
		s.most = max(s.most, s.zombies)
	}
	return s.tries[message]
}

// linger goes on for a while after the client has gone.
func (s *slow) linger(ctx context.Context, while time.Duration) {
	<-ctx.Done()
	s.mu.Lock()
	s.zombies++
	s.mu.Unlock()
	time.Sleep(while)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zombies--
	s.over++
}

func (s *slow) look() (most, over int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most, s.over
}

// TestZombie lets the first try of a message go on when the proxy has answered 504 in its stead. The next try overlaps it and counts; the
// zombie's effects, complete when that is over, do not.
func TestZombie(t *testing.T) {
	parallel(t)
	z := &slow{tries: map[string]int{}}
	s := newServer(t)
	s.work = func(ctx context.Context, id string, m step) {
		if z.try(fmt.Sprint(id, m.N)) == 1 && m.N == 2 && m.Millis > 0 {
			z.linger(ctx, 2*time.Second)
		}
	}
	s.start()
	q := harness.MustStartQueueProxy(t, harness.QueueProxyConfig{UserPort: s.port, Timeout: time.Second})
	w := newWorld(t, q.URL)
	w.send("quick", 20, 2, 0)
	w.send("slow", 3, 4, time.Second)
	w.expectAll(20 * time.Second)
	if most, over := z.look(); most == 0 || over != 0 {
		t.Errorf("%d zombies at once while tries were repeated, %d at their end: the test proves nothing", most, over)
	}
	w.expect("stateway_requests_total", 1, "outcome", "trouble")
	harness.Eventually(t, 10*time.Second, func() bool { _, over := z.look(); return over == 3 }, func() string { return "the end of three zombies" })
	w.send("after", 20, 2, 0) // and a few checkpoints more
	w.expectAll(10 * time.Second)
	w.expectInnocent()
}

// TestAlwaysTooSlow has one message that always takes longer than the proxy allows. It strikes its Address alone, ten times, and then
// goes to the dead letters; what waits behind it and everybody else go on.
func TestAlwaysTooSlow(t *testing.T) {
	parallel(t)
	z := &slow{tries: map[string]int{}}
	s := newServer(t)
	s.work = func(ctx context.Context, id string, m step) {
		if id == "slow-0" && m.N == 1 {
			z.try(id)
			z.linger(ctx, 100*time.Millisecond)
		}
	}
	s.start()
	q := harness.MustStartQueueProxy(t, harness.QueueProxyConfig{UserPort: s.port, Timeout: time.Second})
	w := newWorld(t, q.URL)
	w.send("slow", 1, 1, 0)
	for i := 0; len(w.records("dead")) == 0; i++ {
		if i == 300 {
			t.Fatalf("no dead letter after %d tries; %s", z.tries["slow-0"], w.summary())
		}
		w.send(fmt.Sprintf("quick%d", i), 2, 2, 0)
		time.Sleep(100 * time.Millisecond)
	}
	w.sent[0].Addresses = 0 // what it would have led to
	w.expectAll(20 * time.Second)
	if letters := w.metric("stateway_dead_letters_total"); letters != 1 || z.tries["slow-0"] != 10 {
		t.Errorf("%v dead letters after %d tries, want 1 after 10", letters, z.tries["slow-0"])
	}
}
