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

// instance is a server with the queue-proxy before it.
type instance struct {
	*server
	proxy   *harness.QueueProxy
	running atomic.Int64 // workers that take long
	undone  atomic.Int64 // of these, those whose client went before they were done
}

func newInstance(t *testing.T) *instance {
	t.Helper()
	i := &instance{server: newServer(t)}
	i.work = func(ctx context.Context, _ string, m step) {
		i.running.Add(1)
		time.Sleep(time.Duration(m.Millis) * time.Millisecond)
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
	g := newGateway(t)
	old := newInstance(t)
	g.lead(t, old.proxy.URL)
	w := newWorld(t, g.URL, "group: {maxItems: 8}")
	w.send("before", 100, 4, 0)
	w.send("long", 16, 1, 3*time.Second)
	harness.Eventually(t, 10*time.Second, func() bool { return old.running.Load() >= 16 }, func() string { return "16 workers at work: " + w.summary() })

	fresh := newInstance(t)
	g.lead(t, fresh.proxy.URL)
	ended := make(chan error, 1)
	go func() { ended <- old.proxy.Stop(time.Minute) }()
	for _, prefix := range []string{"a", "b", "c", "d"} {
		w.send(prefix, 50, 4, 5*time.Millisecond)
	}
	if old.running.Load() < 16 {
		t.Error("what took long was over before the end began: the test proves nothing")
	}
	w.expectAll(30 * time.Second)
	if err := <-ended; err != nil {
		t.Errorf("the old queue-proxy: %v", err)
	}
	old.stop()
	w.send("after", 50, 4, 0)
	w.expectAll(20 * time.Second)
	w.expectInnocent()
	_, groups, _, _ := fresh.asked()
	trouble := w.metric("stateway_requests_total", "outcome", "trouble")
	if old.undone.Load() != 0 || groups == 0 || trouble != 0 {
		t.Errorf("the old instance has left %d undone, the new one got %d groups, %v tries met trouble", old.undone.Load(), groups, trouble)
	}
}
