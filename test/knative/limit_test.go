package knative

import (
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// TestConcurrencyLimit sends far more than an instance takes at a time: containerConcurrency is kept to, and the proxy's queue, which is
// ten times as long, overflows with 503. That is nobody's failure, and nothing is lost or done twice.
func TestConcurrencyLimit(t *testing.T) {
	parallel(t)
	const limit = 2
	for name, c := range map[string]struct {
		spec  []string // of the endpoint
		plain bool     // the server is one of StateFun
		http2 bool
		full  bool // its queue must overflow
	}{
		"each alone":                   {spec: []string{"group: {maxItems: 1}"}, full: true},
		"in groups":                    {},
		"in groups over HTTP/2":        {spec: []string{"http2: true"}, http2: true},
		"a plain server of StateFun's": {plain: true, full: true},
	} {
		t.Run(name, func(t *testing.T) {
			parallel(t)
			s := newServer(t)
			s.plain = c.plain
			s.start()
			q := harness.MustStartQueueProxy(t, harness.QueueProxyConfig{UserPort: s.port, Concurrency: limit})
			w := newWorld(t, q.URL, c.spec...)
			w.send("a", 200, 3, 5*time.Millisecond)
			w.expectAll(30 * time.Second)
			w.expectInnocent()
			plain, groups, http2, most := s.asked()
			t.Logf("%d plain requests, %d groups, %d at once; %s", plain, groups, most, w.summary())
			if most > limit {
				t.Errorf("%d requests at once, of %d that the proxy lets through", most, limit)
			}
			if (groups == 0) != c.plain || c.http2 != (http2 > 0) {
				t.Errorf("%d plain requests, %d groups, %d over HTTP/2", plain, groups, http2)
			}
			if full := w.metric("stateway_requests_total", "outcome", "trouble") > 0; c.full && !full {
				t.Errorf("the proxy's queue never overflowed: %s", w.summary())
			}
		})
	}
}
