package node_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
	outside "github.com/stateway/stateway/runtime/egress/memory"
)

// moody serves functions and fails now and then as networks and servers do. While plain is set it is an older version, which knows no groups.
type moody struct {
	app   *stateway.App
	plain atomic.Bool
	asked [2]atomic.Int64 // plain requests, groups
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, isGroup := group.OfContentType(r.Header.Get("Content-Type"))
	kind := 0
	if isGroup {
		kind = 1
	}
	m.asked[kind].Add(1)
	switch rand.IntN(60) {
	case 0:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case 1:
		panic(http.ErrAbortHandler)
	case 2:
		m.app.ServeHTTP(httptest.NewRecorder(), r) // it ran, and the answer is lost
		panic(http.ErrAbortHandler)
	}
	if !m.plain.Load() {
		m.app.ServeHTTP(w, r)
		return
	}
	if isGroup {
		http.Error(w, "no groups here", []int{400, 404, 415, 500}[rand.IntN(4)])
		return
	}
	rec := httptest.NewRecorder()
	m.app.ServeHTTP(rec, r)
	rec.Header().Del(group.Header)
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// Functions in the process, behind HTTP, and in groups behind one address each message one another; every message counts exactly once,
// while nodes are killed, answers are lost, and the functions' server is replaced by a version without groups and back.
func TestMixedEndpoints(t *testing.T) {
	server := &moody{app: tallyFunctions()}
	s := httptest.NewServer(server)
	defer s.Close()
	embedded := stateway.New()
	embedded.Function("test/late", increment, count)
	y := &tally{records: 6000, out: outside.NewWorld(2), fast: outside.NewWorld(1)}
	y.rig = newRig(t, embedded, fmt.Sprintf(`
kind: io.stateway.endpoints.v1/knative
spec:
  functions: test/*
  urlPathTemplate: %[1]s/{function.name}
  maxNumBatchRequests: 3
  retry: {max: 100ms}
---
kind: io.statefun.endpoints.v2/http
spec:
  functions: test/tally
  urlPathTemplate: %[1]s
  retry: {max: 100ms}
---
kind: io.stateway.generator.v1/ingress
spec:
  id: test/in
  partitions: 3
  seed: 7
  ids: {prefix: u, count: 500}
  count: %[2]d
  value: sequence
  targets: [test/counter]
`, s.URL, y.records))
	y.publishes("test/out", y.out)
	y.emits("test/fast", y.fast)
	items, tries := 0.0, 0.0
	for i := range 5 {
		x := y.start()
		server.plain.Store(i%2 == 1)
		stop := min(y.records, len(y.out.Records())+rand.IntN(1200))
		x.eventually("some records are published", func() bool { return len(y.out.Records()) >= stop })
		server.plain.Store(rand.IntN(2) == 1) // while it runs
		stop = min(y.records, stop+rand.IntN(300))
		x.eventually("more are published", func() bool { return len(y.out.Records()) >= stop })
		items, tries = items+x.metric("stateway_group_items_total"), tries+x.metric("stateway_requests_total")
		x.kill()
		if i%2 == 0 {
			if err := os.RemoveAll(y.config.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	server.plain.Store(false)
	x := y.start().ready()
	y.done(x)
	y.verify(x)
	if plain, groups := server.asked[0].Load(), server.asked[1].Load(); plain == 0 || groups == 0 {
		t.Errorf("%d plain requests and %d groups: there should be both", plain, groups)
	}
	if items < tries/2 || tries == 0 {
		t.Errorf("%v tries, of which %v are counted in groups: the functions behind groups have most", tries, items)
	}
}
