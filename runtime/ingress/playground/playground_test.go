package playground_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/ingresstest"
	"github.com/stateway/stateway/runtime/ingress/playground"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func known(t core.FunctionType) bool { return t == "example/person" }

func TestConformance(t *testing.T) {
	ingresstest.RunVolatile(t, func(*testing.T) ingresstest.Volatile {
		return ingresstest.Volatile{
			Open: func(t *testing.T) ingress.Ingress {
				g, err := playground.New(playground.Options{Known: known, Lanes: 3})
				if err != nil {
					t.Fatal(err)
				}
				return g
			},
			Send: func(t *testing.T, in ingress.Ingress) error {
				w := httptest.NewRecorder()
				in.(*playground.Ingress).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "PUT", "/example/person/Bob", strings.NewReader("hi")))
				if w.Header().Get("Status") != strconv.Itoa(w.Code) {
					t.Errorf("Status header %q beside status %d", w.Header().Get("Status"), w.Code)
				}
				if w.Code == http.StatusOK {
					return nil
				}
				if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
					t.Error("503 without Retry-After")
				}
				return fmt.Errorf("%d %s", w.Code, w.Body)
			},
			Patience: 2 * time.Minute,
		}
	})
}

// acker takes messages and acknowledges them at once.
type acker struct {
	mu   sync.Mutex
	msgs []*core.Message
}

func (a *acker) Put(_ context.Context, b ingress.Batch) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.msgs = append(a.msgs, b.Messages...)
	b.Ack(nil)
	return nil
}

func (a *acker) last() *core.Message {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.msgs[len(a.msgs)-1]
}

// listen opens an ingress on a free port and reads it into s until the test ends.
func listen(t *testing.T, o playground.Options, s ingress.Sink) *playground.Ingress {
	t.Helper()
	o.Addr, o.Known = "127.0.0.1:0", known
	g, err := playground.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	parts, _ := g.Partitions(ctx, nil)
	var reads sync.WaitGroup
	for _, p := range parts {
		reads.Go(func() { _ = g.Read(ctx, p, s) })
	}
	t.Cleanup(func() {
		cancel()
		reads.Wait()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return g
}

func TestRequests(t *testing.T) {
	var sink acker
	g := listen(t, playground.Options{Lanes: 2, MaxBody: 100}, &sink)
	greet := ingress.EncodeValue("example/Greet", []byte(`{"name":"Bob"}`))
	hop := trace.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	event := trace.Parse("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00")
	tests := []struct {
		name    string
		method  string
		path    string
		headers []string
		body    string
		status  int
		want    *core.Message // if status is 200
	}{
		{
			"a typed value", "PUT", "/example/person/Bob",
			[]string{"Content-Type", "application/vnd.example/Greet"},
			`{"name":"Bob"}`, 200, &core.Message{Arg: greet},
		},
		{
			"any method", "DELETE", "/example/person/Bob",
			[]string{"Content-Type", "application/vnd.example/Greet"},
			`{"name":"Bob"}`, 200, &core.Message{Arg: greet},
		},
		{
			"text is wrapped", "POST", "/example/person/Bob",
			[]string{"Content-Type", "text/plain"},
			"hi", 200, &core.Message{Arg: ingress.EncodeValue("io.statefun.types/string", []byte("\x0a\x02hi"))},
		},
		{
			"no content type is text", "POST", "/example/person/Bob", nil,
			"hi", 200, &core.Message{Arg: ingress.EncodeValue("io.statefun.types/string", []byte("\x0a\x02hi"))},
		},
		{
			"a named string is taken as it is", "POST", "/example/person/Bob",
			[]string{"Content-Type", "application/vnd.io.statefun.types/string"},
			"\x0a\x02hi", 200, &core.Message{Arg: ingress.EncodeValue("io.statefun.types/string", []byte("\x0a\x02hi"))},
		},
		{"no body", "GET", "/example/person/Bob", nil, "", 200, &core.Message{Arg: ingress.EncodeValue("io.statefun.types/string", nil)}},
		{
			"an event id", "POST", "/example/person/Bob",
			[]string{"Content-Type", "application/vnd.example/Greet", "ce-source", "/shop", "ce-id", "17"},
			`{"name":"Bob"}`, 200, &core.Message{Arg: greet, Dedupe: "ce:5:/shop17"},
		},
		{
			"a trace context", "POST", "/example/person/Bob",
			[]string{"Content-Type", "application/vnd.example/Greet", "traceparent", hop.String()},
			`{"name":"Bob"}`, 200, &core.Message{Arg: greet, Trace: hop},
		},
		{
			"the event's own trace context", "POST", "/example/person/Bob",
			[]string{"Content-Type", "application/vnd.example/Greet", "ce-traceparent", event.String(), "traceparent", "hello"},
			`{"name":"Bob"}`, 200, &core.Message{Arg: greet, Trace: event},
		},
		{
			"the last hop's counts first", "POST", "/example/person/Bob",
			[]string{"Content-Type", "application/vnd.example/Greet", "ce-traceparent", event.String(), "traceparent", hop.String()},
			`{"name":"Bob"}`, 200, &core.Message{Arg: greet, Trace: hop},
		},
		{
			"a trace context that is not valid", "POST", "/example/person/Bob",
			[]string{"Content-Type", "application/vnd.example/Greet", "traceparent", "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01"},
			`{"name":"Bob"}`, 200, &core.Message{Arg: greet},
		},
		{"half an event id", "POST", "/example/person/Bob", []string{"ce-id", "17"}, "x", 400, nil},
		{"a path with two parts", "POST", "/example/person", nil, "x", 400, nil},
		{"an empty id", "POST", "/example/person/", nil, "x", 400, nil},
		{"a function type nobody serves", "POST", "/example/nobody/Bob", nil, "x", 404, nil},
		{"a body too large", "POST", "/example/person/Bob", nil, strings.Repeat("x", 101), 413, nil},
		{"bytes without a type", "POST", "/example/person/Bob", nil, "\xff", 415, nil},
		{"half a type", "POST", "/example/person/Bob", []string{"Content-Type", "application/vnd.x/"}, "x", 415, nil},
		{"a compressed body", "POST", "/example/person/Bob", []string{"Content-Encoding", "gzip"}, "x", 415, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+g.Addr().String()+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(tt.headers); i += 2 {
				req.Header.Set(tt.headers[i], tt.headers[i+1])
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || resp.Header.Get("Status") != strconv.Itoa(tt.status) {
				t.Fatalf("status %d, header %q, %s; want %d", resp.StatusCode, resp.Header.Get("Status"), text, tt.status)
			}
			if tt.status != 200 {
				if len(text) == 0 {
					t.Error("no reason given")
				}
				return
			}
			m := sink.last()
			if m.Target != (core.Address{Type: "example/person", ID: "Bob"}) || string(m.Arg) != string(tt.want.Arg) || m.Dedupe != tt.want.Dedupe || m.Trace.String() != tt.want.Trace.String() {
				t.Errorf("got %v %q %s %x, want %q %s %x", m.Target, m.Dedupe, m.Trace, m.Arg, tt.want.Dedupe, tt.want.Trace, tt.want.Arg)
			}
		})
	}
}

func TestChunkedBodyTooLarge(t *testing.T) {
	g := listen(t, playground.Options{MaxBody: 100}, &acker{})
	req, _ := http.NewRequestWithContext(t.Context(), "PUT", "http://"+g.Addr().String()+"/example/person/Bob",
		struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 101))})
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestHeadersTooLarge(t *testing.T) {
	g := listen(t, playground.Options{MaxHeader: 1000}, &acker{})
	req, _ := http.NewRequestWithContext(t.Context(), "PUT", "http://"+g.Addr().String()+"/example/person/Bob", http.NoBody)
	req.Header.Set("X", strings.Repeat("x", 20000))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestConnectionIsKept(t *testing.T) {
	g := listen(t, playground.Options{}, &acker{})
	conn, err := net.Dial("tcp", g.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for range 3 {
		fmt.Fprint(conn, "POST /example/person/a%2Fb HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%v, %v", resp, err)
		}
		resp.Body.Close()
	}
}

func TestPortTaken(t *testing.T) {
	g := listen(t, playground.Options{}, &acker{})
	if _, err := playground.Open(playground.Options{Addr: g.Addr().String(), Known: known}); err == nil || !strings.Contains(err.Error(), "port taken") {
		t.Error(err)
	}
}

func TestBadOptions(t *testing.T) {
	_, err := playground.New(playground.Options{MaxBody: -1, CreditWait: -1})
	for _, name := range []string{"Known", "MaxBody", "CreditWait"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error lacks %s: %v", name, err)
		}
	}
}

// blocked never has credit.
type blocked struct{}

func (blocked) Put(ctx context.Context, _ ingress.Batch) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestDisconnectBeforeCreditTakesTheRequestBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := playground.New(playground.Options{Known: known})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		reading, stopReading := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Read(reading, ingress.Partition{ID: "http-0"}, blocked{}) }()
		client, hangUp := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		start := time.Now()
		go func() { synctest.Wait(); hangUp() }()
		g.ServeHTTP(w, httptest.NewRequestWithContext(client, "PUT", "/example/person/Bob", http.NoBody))
		if w.Code != http.StatusServiceUnavailable || time.Since(start) != 0 {
			t.Errorf("status %d after %s", w.Code, time.Since(start))
		}
		stopReading()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestWaitingBytesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := playground.New(playground.Options{Known: known, MaxBody: 100, MaxWaiting: 100})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		put := func(n int) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			g.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "PUT", "/example/person/Bob", strings.NewReader(strings.Repeat("x", n))))
			return w
		}
		first := make(chan *httptest.ResponseRecorder)
		go func() { first <- put(60) }()
		synctest.Wait()
		if w := put(60); w.Code != 503 || !strings.Contains(w.Body.String(), "too many bytes") {
			t.Errorf("second: %d %s", w.Code, w.Body)
		}
		if w := <-first; w.Code != 503 || !strings.Contains(w.Body.String(), "busy") {
			t.Errorf("first: %d %s", w.Code, w.Body)
		}
		go func() { first <- put(60) }() // there is room again
		if w := <-first; !strings.Contains(w.Body.String(), "busy") {
			t.Errorf("third: %d %s", w.Code, w.Body)
		}
	})
}
