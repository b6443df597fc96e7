// Package knative runs a node before Knative's own queue-proxy, with function servers behind it that are slow, late, gone or plain.
//
// A driver sends numbered messages to many Addresses. Each takes them in order, once, leaves a record of each at an exactly-once
// egress and passes it on to an Address of another type, which leaves a record, too. In the end every record must be there once.
//
// Of Knative only the queue-proxy is here: what activator, autoscaler and ingress do is played by the tests.
package knative

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/test/harness"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // most of them wait most of the time
		panic(err)
	}
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

// parallel lets a test run beside the others where queue-proxies can.
func parallel(t *testing.T) {
	t.Helper()
	if harness.Namespaces() == nil {
		t.Parallel()
	}
}

const module = `kind: io.stateway.endpoints.v1/knative
spec:
  functions: t/*
  urlPathTemplate: %[1]s
  maxNumBatchRequests: 1
  retry: {initial: 5ms, max: 200ms, maxAttempts: 1}
  onFailure: deadLetter
  deadLetter: {egress: t/dead}
%[2]s---
kind: io.statefun.playground.v1/ingress
spec: {port: %[3]d}
---
kind: io.stateway.file.v1/egress
spec: {id: t/records, path: %[4]q, delivery: after-commit}
---
kind: io.stateway.file.v1/egress
spec: {id: t/dead, path: %[5]q, delivery: after-commit}
`

// world is an application: its module and one node. The test has the server and what stands before it.
type world struct {
	t       *testing.T
	node    *harness.Node
	ingress harness.Ingress
	dir     string
	sent    []job
}

// newWorld starts a node whose functions are at url. spec are further lines of the endpoint.
func newWorld(t *testing.T, url string, spec ...string) *world {
	t.Helper()
	port := harness.MustPort(t)
	w := &world{t: t, dir: t.TempDir(), ingress: harness.Ingress{URL: "http://" + harness.Loopback(port)}}
	lines := ""
	for _, line := range spec {
		lines += "  " + line + "\n"
	}
	text := fmt.Sprintf(module, url, lines, port, w.path("records"), w.path("dead"))
	w.node = harness.MustStartNode(t, harness.NodeConfig{
		Modules: []string{harness.MustWriteFile(t, w.dir, "module.yaml", text)}, Data: filepath.Join(w.dir, "data"),
		Bucket: filepath.Join(w.dir, "bucket"), Shards: 8, Workers: 2, Every: 50 * time.Millisecond,
	})
	w.node.MustReady(t)
	return w
}

func (w *world) path(egress string) string { return filepath.Join(w.dir, egress+".jsonl") }

// send lets the driver send to each of many Addresses, whose ids begin with prefix, so many messages that take so long each.
func (w *world) send(prefix string, addresses, messages int, each time.Duration) {
	w.t.Helper()
	j := job{Prefix: prefix, Addresses: addresses, Messages: messages, Millis: each.Milliseconds()}
	message := harness.Message{
		Function: string(driver), ID: prefix, Type: jobType.Name(), Body: j.encode(), Source: "knative-test", EventID: prefix,
	}
	if err := w.ingress.PutUntilTaken(w.t.Context(), message); err != nil {
		w.t.Fatal(err)
	}
	w.sent = append(w.sent, j)
}

// records are those of an egress, with how often each is there.
func (w *world) records(egress string) map[string]int {
	w.t.Helper()
	records, err := harness.ReadFileRecords(w.path(egress))
	if err != nil {
		w.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, r := range records {
		counts[r.Value]++
	}
	return counts
}

// done is how many of the records are there.
func (w *world) done() int { return len(w.records("records")) }

// want are the records that all that was sent must lead to.
func (w *world) want() map[string]int {
	want := map[string]int{}
	for _, j := range w.sent {
		for _, id := range j.ids() {
			for n := 1; n <= j.Messages; n++ {
				want[record(worker, id, n)], want[record(echo, id, n)] = 1, 1
			}
		}
	}
	return want
}

// expectAll waits until everything that was sent has had its effect, once.
func (w *world) expectAll(limit time.Duration) {
	w.t.Helper()
	want, got := w.want(), map[string]int{}
	harness.Eventually(w.t, limit, func() bool {
		got = w.records("records")
		return len(got) >= len(want) || broken(got)
	}, func() string { return fmt.Sprintf("%d of %d records: %s", len(got), len(want), w.summary()) })
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Fatalf("records (-want +got):\n%s", diff)
	}
}

// broken reports whether a function has seen a message twice, or out of order.
func broken(records map[string]int) bool {
	for r, n := range records {
		if n != 1 || strings.Contains(r, " after ") {
			return true
		}
	}
	return false
}

// expectInnocent checks that no invocation counts as failed: whatever befell was the endpoint's trouble.
func (w *world) expectInnocent() {
	w.t.Helper()
	failed := w.metric("stateway_failures_total") + w.metric("stateway_requests_total", "outcome", "failed") + w.metric("stateway_dead_letters_total")
	if failed != 0 || w.metric("stateway_held_addresses") != 0 || len(w.records("dead")) != 0 {
		w.t.Errorf("invocations count as failed: %s; dead letters %v", w.summary(), w.records("dead"))
	}
}

// metric adds up a metric's samples that carry the labels.
func (w *world) metric(name string, labels ...string) float64 {
	w.t.Helper()
	m, err := w.node.Metrics(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return m.Sum(name, labels...)
}

// expect waits until a metric has at least a value.
func (w *world) expect(name string, least float64, labels ...string) {
	w.t.Helper()
	harness.Eventually(w.t, 20*time.Second, func() bool { return w.metric(name, labels...) >= least },
		func() string { return fmt.Sprintf("%s %v of at least %v: %s", name, labels, least, w.summary()) })
}

// summary are the metrics that explain a failure.
func (w *world) summary() string {
	w.t.Helper()
	m, err := w.node.Metrics(w.t.Context())
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, class := range []string{"ok", "trouble", "failed"} {
		fmt.Fprintf(&b, "%s=%v ", class, m.Sum("stateway_requests_total", "outcome", class))
	}
	for _, name := range []string{"groups", "group_items", "group_splits", "group_stray", "failures", "stale_outcomes", "dead_letters"} {
		fmt.Fprintf(&b, "%s=%v ", name, m.Sum("stateway_"+name+"_total"))
	}
	return b.String() + fmt.Sprintf("limit=%v trouble=%v", m.Sum("stateway_endpoint_limit"), m.Sum("stateway_endpoint_trouble"))
}
