// Package soak lets the real binary read a Kinesis stream, count and write another one, evenly, and looks whether its memory, goroutines and
// files stay as they are.
//
// STATEWAY_SOAK_SECONDS is how long; `make soak` takes 600. By default it is 12 s, too short to say anything about growth:
// that keeps the test alive.
package soak

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/admin"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/test/aws/kinesis/numbers"
	"github.com/stateway/stateway/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

const (
	keys    = 100
	fewest  = 60 * time.Second // from here on growth is a failure
	records = 60_000           // at most: kinesalite keeps all of them, twice, in about 700 MB
	fastest = 1000             // records a second
)

func runTime() time.Duration {
	if n, err := strconv.Atoi(os.Getenv("STATEWAY_SOAK_SECONDS")); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return 12 * time.Second
}

// sample is what the node says of itself at a time. Its connections to the functions are no part of files: how many it keeps follows
// how many of the keys were served at once, up to all of them.
type sample struct {
	resident, heap, goroutines, files, cpu, checkpoints float64
	functions                                           float64 // connections
}

// functionServer serves the functions and counts its connections.
type functionServer struct {
	*httptest.Server
	open atomic.Int64
}

func startFunctions(t *testing.T) *functionServer {
	s := &functionServer{Server: httptest.NewUnstartedServer(numbers.App())}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func look(t *testing.T, n *harness.Node, functions *functionServer) sample {
	t.Helper()
	m, err := n.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"process_resident_memory_bytes", "go_memstats_heap_inuse_bytes", "go_goroutines", "process_open_fds"} {
		if !m.Has(name) {
			t.Fatalf("/metrics lacks %s", name)
		}
	}
	connections := float64(functions.open.Load())
	return sample{
		resident: m.Sum("process_resident_memory_bytes") / (1 << 20), heap: m.Sum("go_memstats_heap_inuse_bytes") / (1 << 20),
		goroutines: m.Sum("go_goroutines"), files: m.Sum("process_open_fds") - connections, functions: connections,
		cpu: m.Sum("process_cpu_seconds_total"), checkpoints: m.Sum("stateway_checkpoints_total"),
	}
}

// TestSoak compares the second third of the time with the last; the first is for pools and caches to fill.
func TestSoak(t *testing.T) {
	lasts := runTime()
	server := harness.Kinesalite(t)
	client := server.Client()
	for _, stream := range []string{"numbers", numbers.MiddleStream} {
		if err := client.CreateStream(t.Context(), stream, 4); err != nil {
			t.Fatal(err)
		}
	}
	functions := startFunctions(t)
	dir := t.TempDir()
	module := numbers.Endpoint(functions.Listener.Addr().String()) + numbers.There(server.Endpoint, false)
	n := harness.MustStartNode(t, harness.NodeConfig{
		Modules: []string{harness.MustWriteFile(t, dir, "module.yaml", module)}, Data: filepath.Join(dir, "data"), Bucket: filepath.Join(dir, "bucket"),
		Shards: 16, Workers: 2, Every: 200 * time.Millisecond, Memory: 128 << 20,
	})
	n.MustReady(t)

	rate := min(fastest, float64(records)/lasts.Seconds())
	p := &numbers.Producer{Client: client, Stream: "numbers", Keys: keys}
	end := p.Start(t.Context(), time.Duration(keys/rate*float64(time.Second)))
	samples := watch(t, n, functions, lasts)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	expectAll(t, n, client, p)

	third := len(samples) / 3
	before, after := samples[third:2*third], samples[2*third:]
	first, last := samples[0], samples[len(samples)-1]
	put := float64(keys * p.Sent())
	t.Logf("%s, %.0f records (%.0f/s), %.0f checkpoints, %.0f µs of CPU a record",
		lasts, put, put/lasts.Seconds(), last.checkpoints-first.checkpoints, (last.cpu-first.cpu)/put*1e6)
	for _, c := range []struct {
		what string
		of   func(sample) float64
		room float64 // by how much the median may grow
		part float64 // and by which part more
	}{
		{"resident MiB", func(s sample) float64 { return s.resident }, 16, 0.1},
		{"heap in use MiB", func(s sample) float64 { return s.heap }, 16, 0.1},
		{"goroutines", func(s sample) float64 { return s.goroutines }, 8, 0},
		{"other files and connections", func(s sample) float64 { return s.files }, 8, 0},
	} {
		a, b := median(before, c.of), median(after, c.of)
		t.Logf("%-29s start %6.0f   second third %6.0f   last third %6.0f   most %6.0f", c.what, c.of(first), a, b, most(samples, c.of))
		if lasts >= fewest && b > a*(1+c.part)+c.room {
			t.Errorf("%s grew from %.0f to %.0f", c.what, a, b)
		}
	}
	c := most(samples, func(s sample) float64 { return s.functions })
	t.Logf("%.0f connections to the functions at most", c)
	if c > keys+8 { // some may be about to close
		t.Errorf("%.0f connections to the functions for %d keys", c, keys)
	}
}

// watch takes samples until the time is over, about 200 of them.
func watch(t *testing.T, n *harness.Node, functions *functionServer, lasts time.Duration) (samples []sample) {
	t.Helper()
	every := max(lasts/200, 100*time.Millisecond)
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		if !n.Alive() {
			t.Fatalf("the node ended by itself: %v", n.Err())
		}
		samples = append(samples, look(t, n, functions))
		time.Sleep(every)
	}
	return samples
}

func median(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, 0, len(samples))
	for _, s := range samples {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func most(samples []sample, of func(sample) float64) float64 {
	high := of(samples[0])
	for _, s := range samples {
		high = max(high, of(s))
	}
	return high
}

// expectAll waits until every record is counted and written.
func expectAll(t *testing.T, n *harness.Node, client harness.KinesisClient, p *numbers.Producer) {
	t.Helper()
	c, err := admin.NewClient(n.Admin)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range keys {
		var known numbers.Tally
		harness.Eventually(t, time.Minute, func() bool {
			got, err := c.States(t.Context(), core.Address{Type: core.FunctionType(numbers.First), ID: numbers.Key(i)})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range got.States {
				if err := json.Unmarshal(append(s.Value, s.Base64...), &known); err != nil {
					t.Fatal(err)
				}
			}
			if err := known.Check(p.Sent()); err != nil {
				t.Fatalf("%s: %v", numbers.Key(i), err)
			}
			return known.Last == p.Sent()
		}, func() string { return fmt.Sprintf("%s has counted %d of %d", numbers.Key(i), known.Last, p.Sent()) })
	}
	counted := time.Since(began)
	written := 0
	harness.Eventually(t, time.Minute, func() bool {
		m, err := n.Metrics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		written = int(m.Sum("stateway_egress_stream_records_total"))
		return written == keys*p.Sent()
	}, func() string { return fmt.Sprintf("%d of %d records are written", written, keys*p.Sent()) })
	t.Logf("after the last record everything was counted within %s and written within %s", counted.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	got, err := client.Records(t.Context(), numbers.MiddleStream)
	if err != nil || len(got) != written {
		t.Errorf("the stream holds %d records, want %d: %v", len(got), written, err)
	}
}
