package knative

import (
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// TestScaleFromZero has no instance at first: neither proxy nor server. Then there is a proxy, whose server is not up yet, then both;
// then they go, and come again. What was sent meanwhile waits, and comes in order.
func TestScaleFromZero(t *testing.T) {
	parallel(t)
	s := newServer(t)
	config := harness.QueueProxyConfig{UserPort: s.port, Port: harness.MustPort(t)}
	w := newWorld(t, "http://"+harness.Loopback(config.Port))
	for _, prefix := range []string{"first", "second"} {
		before := w.metric("stateway_requests_total", "outcome", "trouble")
		w.send(prefix, 50, 4, 0)
		w.expect("stateway_requests_total", before+2, "outcome", "trouble") // connections are refused
		w.expect("stateway_endpoint_trouble", 1)
		q := harness.MustStartQueueProxy(t, config)
		before = w.metric("stateway_requests_total", "outcome", "trouble")
		w.expect("stateway_requests_total", before+2, "outcome", "trouble") // 502
		if n := w.done(); n != 2*4*50*(len(w.sent)-1) {
			t.Fatalf("%d records while no server is there", n)
		}
		s.start()
		w.expectAll(20 * time.Second)
		if w.metric("stateway_endpoint_trouble") != 0 {
			t.Error("the endpoint counts as in trouble after all was answered")
		}
		q.Kill()
		s.stop()
	}
	w.expectInnocent()
}

// TestSlowFirstAnswer has an instance that takes longer for its first request than an invocation may, as when a service is held until it
// has started. coldStart.patience is for that, and no part of anybody's budget.
func TestSlowFirstAnswer(t *testing.T) {
	parallel(t)
	s := newServer(t)
	started := make(chan struct{})
	s.before = func() { <-started }
	s.start()
	time.AfterFunc(2*time.Second, func() { close(started) })
	q := harness.MustStartQueueProxy(t, harness.QueueProxyConfig{UserPort: s.port, Concurrency: 1})
	w := newWorld(t, q.URL, "transport: {call: 1s}", "coldStart: {patience: 10s, idle: 1min}")
	w.send("a", 50, 4, 0)
	w.expectAll(20 * time.Second)
	w.expectInnocent()
}
