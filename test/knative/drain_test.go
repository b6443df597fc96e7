package knative

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// gateway is what Knative's ingress does: it sends each request to the instance that is there.
type gateway struct {
	*httptest.Server
	to atomic.Pointer[url.URL]
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{}
	g.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(g.to.Load()) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 100},
	})
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) lead(t *testing.T, to string) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	g.to.Store(u)
}

// instance is a server with the queue-proxy before it. What its workers have to do that takes time takes until goOn is closed.
type instance struct {
	*server
	proxy   *harness.QueueProxy
	goOn    chan struct{}
	running atomic.Int64
	undone  atomic.Int64 // of these, those whose client went before they were done
}

func newInstance(t *testing.T) *instance {
	t.Helper()
	i := &instance{server: newServer(t), goOn: make(chan struct{})}
	i.work = func(ctx context.Context, _ string, m step) {
		if m.Millis == 0 {
			return
		}
		i.running.Add(1)
		<-i.goOn
		i.running.Add(-1)
		if ctx.Err() != nil {
			i.undone.Add(1)
		}
	}
	i.start()
	i.proxy = harness.MustStartQueueProxy(t, harness.QueueProxyConfig{UserPort: i.port})
	return i
}

// TestDrain takes an instance away as Kubernetes does: a new one comes, requests go there, and the old one gets SIGTERM with work in
// flight. It answers what it has, and ends when it has been left alone for the 30 s that a queue-proxy waits. Nothing even shows.
func TestDrain(t *testing.T) {
	if err := harness.Namespaces(); err != nil {
		t.Skip(err)
	}
	t.Parallel()
	const long = 16
	g := newGateway(t)
	old := newInstance(t)
	g.lead(t, old.proxy.URL)
	w := newWorld(t, g.URL, "group: {maxItems: 8}")
	w.send("first", 100, 4, 0)
	w.expectAll(30 * time.Second)
	w.send("long", long, 1, time.Second)
	harness.Eventually(t, 20*time.Second, func() bool { return old.running.Load() == long }, func() string { return "workers that take long: " + w.summary() })

	fresh := newInstance(t)
	g.lead(t, fresh.proxy.URL)
	ended := make(chan error, 1)
	go func() { ended <- old.proxy.Stop(2 * time.Minute) }()
	if err := old.proxy.WaitOutput(t.Context(), "Received TERM signal"); err != nil {
		t.Fatal(err)
	}
	before := w.done()
	for _, prefix := range []string{"a", "b", "c", "d"} {
		w.send(prefix, 50, 4, 0)
	}
	harness.Eventually(t, 30*time.Second, func() bool { return w.done() == before+4*50*4*2 }, func() string { return "what was sent since SIGTERM: " + w.summary() })
	if n := old.running.Load(); n != long {
		t.Errorf("%d workers are still at work, of %d", n, long)
	}
	close(old.goOn)
	w.expectAll(30 * time.Second)
	if err := <-ended; err != nil {
		t.Errorf("the old queue-proxy: %v", err)
	}
	old.stop()
	w.send("last", 50, 4, 0)
	w.expectAll(30 * time.Second)
	w.expectInnocent()
	_, groups, _, _ := fresh.asked()
	trouble := w.metric("stateway_requests_total", "outcome", "trouble")
	if old.undone.Load() != 0 || groups == 0 || trouble != 0 {
		t.Errorf("the old instance has left %d undone, the new one got %d groups, %v tries met trouble", old.undone.Load(), groups, trouble)
	}
}
