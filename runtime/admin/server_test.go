package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/discard"
	"github.com/stateway/stateway/runtime/node"
)

// ask sends a request and returns status, headers and body.
func ask(t *testing.T, method, url, body string, change func(*http.Request)) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func TestHealthAndReadiness(t *testing.T) {
	f := newFake()
	_, base := serveFake(t, f, nil)
	status, header, _ := ask(t, http.MethodGet, base+"/healthz", "", nil)
	if status != 200 || header.Get(node.NonceHeader) != "beef" {
		t.Errorf("healthz of a leader: %d, nonce %q", status, header.Get(node.NonceHeader))
	}
	if status, _, body := ask(t, http.MethodGet, base+"/readyz", "", nil); status != 200 {
		t.Errorf("readyz: %d %s", status, body)
	}
	f.leads, f.waiting = false, "restore of 3 of 64 shards"
	status, header, _ = ask(t, http.MethodGet, base+"/healthz", "", nil)
	if status != 200 || header.Get(node.NonceHeader) != "" {
		t.Errorf("healthz of one that waits: %d, nonce %q", status, header.Get(node.NonceHeader))
	}
	status, _, body := ask(t, http.MethodGet, base+"/readyz", "", nil)
	if status != 503 || body != "waits for: restore of 3 of 64 shards\n" {
		t.Errorf("readyz of one that waits: %d %s", status, body)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	resume := `{"address":"shop/cart/Lee"}`
	cases := []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
		want                     string
	}{
		{"change by GET", "GET", "/api/v1/address/drop?address=shop/cart/Lee", "", nil, 405, `{"error":"use POST"}`},
		{"question by POST", "POST", "/api/v1/status", "{}", nil, 405, `{"error":"use GET"}`},
		{"metrics by POST", "POST", "/healthz", "{}", nil, 405, "use GET"},
		{"unknown path", "GET", "/api/v2/status", "", nil, 404, `"error":"there is no /api/v2/status`},
		{"no metrics", "GET", "/metrics", "", nil, 404, ""},
		{"no profiles unless wanted", "GET", "/debug/pprof/", "", nil, 404, ""},
		{"no address", "GET", "/api/v1/address", "", nil, 400, "want namespace/name/id"},
		{"half an address", "GET", "/api/v1/state?address=shop/cart", "", nil, 400, "want namespace/name/id"},
		{"address that is no UTF-8", "GET", "/api/v1/state?address=shop/cart/%ff", "", nil, 400, "want namespace/name/id"},
		{"bad limit", "GET", "/api/v1/addresses?limit=0", "", nil, 400, "want a number from 1 to 10000"},
		{"bad values", "GET", "/api/v1/state?address=a/b/c&values=no", "", nil, 400, "want true or false"},
		{"a form", "POST", "/api/v1/address/drop", "address=a", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}, 415, "as application/json"},
		{"no JSON", "POST", "/api/v1/address/drop", "{", nil, 400, "body: unexpected EOF"},
		{"unknown key", "POST", "/api/v1/address/drop", `{"id":"x"}`, nil, 400, "unknown field"},
		{"two objects", "POST", "/api/v1/address/drop", resume + resume, nil, 400, "more than one"},
		{"large body", "POST", "/api/v1/address/drop", `{"address":"` + strings.Repeat("x", maxBody) + `"}`, nil, 413, "larger than 65536 bytes"},
		{"long address", "POST", "/api/v1/address/drop", `{"address":"a/b/` + strings.Repeat("x", maxAddress) + `"}`, nil, 400, "at most 16384"},
		{"from a web page", "POST", "/api/v1/address/drop", resume, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}, 403, ""},
		{"under a foreign name", "GET", "/api/v1/status", "", func(r *http.Request) { r.Host = "evil.example" }, 421, "as localhost"},
	}
	f := newFake()
	_, base := serveFake(t, f, nil)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, _, body := ask(t, c.method, base+c.path, c.body, c.change)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %d %s, want %d and %q", status, body, c.status, c.want)
			}
		})
	}
	if len(f.done) > 0 {
		t.Errorf("a refused request changed something: %v", f.done)
	}
	if status, _, body := ask(t, "POST", base+"/api/v1/address/drop", resume, func(r *http.Request) { r.Host = "localhost:1" }); status != 200 {
		t.Errorf("under a local name: %d %s", status, body)
	}
}

func TestProfilesWhenWanted(t *testing.T) {
	_, base := serveFake(t, newFake(), func(c *Config) { c.Pprof = true })
	if status, _, _ := ask(t, http.MethodGet, base+"/debug/pprof/cmdline", "", nil); status != 200 {
		t.Errorf("got %d", status)
	}
}

func TestMetrics(t *testing.T) {
	now := time.Unix(100, 0)
	e, err := discard.Open(discard.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var d Discards
	d.Add("bench/out", e)
	stamp := func(age time.Duration) egress.Record {
		n := uint64(now.Add(-age).UnixNano())
		v := []byte{9}
		for i := range 8 {
			v = append(v, byte(n>>(8*i)))
		}
		return egress.Record{Typename: egress.TypeLong, Value: v}
	}
	e.Emit(0, []egress.Record{stamp(5 * time.Microsecond), stamp(3 * time.Millisecond), stamp(time.Hour)}, func(int, int, error) {})

	_, base := serveFake(t, newFake(), func(c *Config) { c.Metrics = NewRegistry(&d) })
	_, _, body := ask(t, http.MethodGet, base+"/metrics", "", nil)
	for _, want := range []string{
		`stateway_discarded_records_total{egress="bench/out"} 3`,
		`stateway_discarded_bytes_total{egress="bench/out"} 27`,
		`stateway_egress_latency_seconds_bucket{egress="bench/out",le="1e-05"} 1`,
		`stateway_egress_latency_seconds_bucket{egress="bench/out",le="0.002"} 1`,
		`stateway_egress_latency_seconds_bucket{egress="bench/out",le="0.004"} 2`,
		`stateway_egress_latency_seconds_bucket{egress="bench/out",le="100"} 2`,
		`stateway_egress_latency_seconds_bucket{egress="bench/out",le="+Inf"} 3`,
		`stateway_egress_latency_seconds_count{egress="bench/out"} 3`,
		"go_goroutines ", "process_cpu_seconds_total ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in\n%s", want, body)
		}
	}
}

func TestANodeThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.hang = true
		answer := &recorder{header: http.Header{}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/addresses", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		Handler(Config{Node: f}).ServeHTTP(answer, req)
		if answer.status != 504 || !strings.Contains(answer.body.String(), "did not answer within 30s") {
			t.Errorf("got %d %s", answer.status, &answer.body)
		}
	})
}

// recorder is a response writer for a test in which nothing may touch the network.
type recorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

func TestServeEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, Config{Node: newFake()}) }()
	if status, _, _ := ask(t, http.MethodGet, "http://"+l.Addr().String()+"/readyz", "", nil); status != 200 {
		t.Errorf("got %d", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := Serve(t.Context(), l, Config{Node: newFake()}); err == nil {
		t.Error("served on a listener that is closed")
	}
}
