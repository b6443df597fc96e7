package http

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

func TestRequestOnTheWire(t *testing.T) {
	got := make(chan string, 1)
	s := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
		head, body, err := readRequest(r)
		if err == nil {
			got <- head + strconv.Itoa(len(body))
			io.WriteString(c, okAnswer())
		}
	})
	c := newCaller(t, Config{URL: s.url + "/{function.name}/x%20y?q=%20a&b=+#frag"})
	o := c.call(invocation("Kim"))
	if o.Class != core.OutcomeOK || len(o.Response.Mutations) != 1 || len(o.Response.Egresses) != 1 || o.Response.Egresses[0].Egress != "example/out" {
		t.Errorf("got %+v", o)
	}
	host := strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/fn")
	want := "POST /fn/counter/x%20y?q=%20a&b=+ HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: statefun\r\n" +
		"Content-Type: application/octet-stream\r\nAccept: application/octet-stream\r\nAccept-Encoding: gzip,deflate\r\n" +
		"Connection: keep-alive\r\nContent-Length: 117\r\n\r\n117"
	if g := <-got; g != want {
		t.Errorf("got  %q\nwant %q", g, want)
	}
}

func TestNoConnectionIsTheEndpointsTrouble(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, url := range []string{"http://" + l.Addr().String() + "/", "http://does-not-exist.invalid/", "http+unix:///does/not/exist.sock/fn"} {
		o := newCaller(t, Config{URL: url, Connect: 5 * time.Second}).call(invocation("Kim"))
		if o.Class != core.OutcomeTrouble || !strings.Contains(o.Reason, "no connection") || !strings.Contains(o.Reason, url) {
			t.Errorf("%s: got %v %q", url, o.Class, o.Reason)
		}
	}
}

func TestTimeLimits(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	silent := func(_ int, _ net.Conn, r *bufio.Reader) { readRequest(r); <-hang }
	half := func(_ int, c net.Conn, r *bufio.Reader) { readRequest(r); io.WriteString(c, okAnswer()[:40]); <-hang }
	drip := func(before, drop string) func(int, net.Conn, *bufio.Reader) {
		return func(_ int, c net.Conn, r *bufio.Reader) {
			readRequest(r)
			_, err := io.WriteString(c, before)
			for tick := time.Tick(time.Millisecond); err == nil; <-tick {
				_, err = io.WriteString(c, drop)
			}
		}
	}
	tests := []struct {
		name   string
		handle func(int, net.Conn, *bufio.Reader)
		cfg    Config
		budget core.Millis
		want   string
	}{
		{"the call budget", silent, Config{Call: 50 * time.Millisecond}, 0, "no answer within the call budget of 50ms"},
		{"the try's own budget", silent, Config{}, 60, "no answer within the call budget of 60ms"},
		{"half an answer", half, Config{Call: 50 * time.Millisecond}, 0, "no answer within the call budget of 50ms"},
		{"a head without end", drip("HTTP/1.1 200 OK\r\nA: ", "b"), Config{Call: 50 * time.Millisecond}, 0, "no answer within the call budget of 50ms"},
		{"interim answers without end", drip("", "HTTP/1.1 103 Early Hints\r\n\r\n"), Config{Call: 50 * time.Millisecond}, 0, "no answer within the call budget of 50ms"},
		{"chunks of a byte", drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), Config{Call: 50 * time.Millisecond}, 0, "no answer within the call budget of 50ms"},
		{"a trailer without end", drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ", "b"), Config{Call: 50 * time.Millisecond}, 0, "no answer within the call budget of 50ms"},
		{"bytes faster than the limit of a read", drip("HTTP/1.1 200 OK\r\n\r\n", "b"), Config{Transport: OkHTTP, Read: 40 * time.Millisecond, Call: 60 * time.Millisecond}, 0, "no answer within the call budget of 60ms"},
		{"the limit of a read", half, Config{Transport: OkHTTP, Read: 40 * time.Millisecond}, 0, "limits for a read or write"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, tt.handle)
			tt.cfg.URL = s.url
			c := newCaller(t, tt.cfg)
			inv := invocation("Kim")
			inv.Budget = tt.budget
			for range 2 { // the second on a new connection
				if o := c.call(inv); o.Class != core.OutcomeFailed || !strings.Contains(o.Reason, tt.want) {
					t.Errorf("got %v %q, want %q", o.Class, o.Reason, tt.want)
				}
			}
			if n := s.connections.Load(); n != 2 {
				t.Errorf("%d connections, want 2", n)
			}
		})
	}
}

func TestAStaleConnectionIsReplacedUnseen(t *testing.T) {
	s := newScript(t, func(n int, c net.Conn, r *bufio.Reader) {
		if n == 1 { // answers once, and hangs up on the second request
			readRequest(r)
			io.WriteString(c, okAnswer())
			readRequest(r)
			return
		}
		always(okAnswer())(n, c, r)
	})
	c := newCaller(t, Config{URL: s.url})
	for range 3 {
		if o := c.call(invocation("Kim")); o.Class != core.OutcomeOK {
			t.Errorf("got %v %q", o.Class, o.Reason)
		}
	}
	if n := s.connections.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

func TestAnUnaskedTimeoutOfAnIdleConnectionIsNoAnswer(t *testing.T) {
	s := newScript(t, func(n int, c net.Conn, r *bufio.Reader) {
		if n == 1 {
			readRequest(r)
			io.WriteString(c, okAnswer())
			io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return
		}
		always(okAnswer())(n, c, r)
	})
	c := newCaller(t, Config{URL: s.url})
	for range 3 {
		if o := c.call(invocation("Kim")); o.Class != core.OutcomeOK {
			t.Errorf("got %v %q", o.Class, o.Reason)
		}
	}
}

func TestBytesAfterAnAnswerEndTheConnection(t *testing.T) {
	s := newScript(t, always(okAnswer()+"HTTP/1.1 500 unasked\r\nContent-Length: 0\r\n\r\n"))
	c := newCaller(t, Config{URL: s.url})
	for range 3 {
		if o := c.call(invocation("Kim")); o.Class != core.OutcomeOK {
			t.Errorf("got %v %q", o.Class, o.Reason)
		}
	}
}

func TestAnAnswerBeforeTheRequestWasReadCounts(t *testing.T) {
	s := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
		r.ReadString('\n')
		io.WriteString(c, status("503 Service Unavailable", "Retry-After: 1"))
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, r)
	})
	c := newCaller(t, Config{URL: s.url})
	inv := invocation("Kim")
	inv.Messages[0].Arg = make([]byte, 8<<20)
	inv.Messages[0].Arg[0] = 0x1a // a value field whose length does not matter here
	if o := c.call(inv); o.Class != core.OutcomeTrouble || o.RetryAfter != 1000 {
		t.Errorf("got %v %q", o.Class, o.Reason)
	}
}

func TestLargeRequestAndAnswer(t *testing.T) {
	big := make([]byte, 10<<20)
	s := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			if _, _, err := readRequest(r); err != nil {
				return
			}
			io.WriteString(c, ok200(string(bigAnswer(big))))
		}
	})
	c := newCaller(t, Config{URL: s.url})
	inv := invocation("Kim")
	inv.Messages[0].Arg = bigValue(big)
	for range 2 {
		o := c.call(inv)
		if o.Class != core.OutcomeOK || len(o.Response.Mutations[0].Value) < len(big) {
			t.Fatalf("got %v %q", o.Class, o.Reason)
		}
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestPoolLimitsConnectionsAndServesAll(t *testing.T) {
	s := newScript(t, always(okAnswer()))
	c := newCaller(t, Config{URL: s.url, PoolSize: 3})
	var invs []*core.Invocation
	for i := range 500 {
		invs = append(invs, invocation(strconv.Itoa(i)))
	}
	c.Send(invs)
	seen := make(map[*core.Invocation]bool)
	for range invs {
		r := c.wait()
		if r.Outcome.Class != core.OutcomeOK || seen[r.Invocation] {
			t.Fatalf("got %v %q (seen: %v)", r.Outcome.Class, r.Outcome.Reason, seen[r.Invocation])
		}
		seen[r.Invocation] = true
	}
	if n := s.connections.Load(); n > 3 {
		t.Errorf("%d connections, want at most 3", n)
	}
}

func TestAHangingRequestDelaysNoOther(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	s := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			_, body, err := readRequest(r)
			if err != nil {
				return
			}
			if bytes.Contains(body, []byte("hang")) {
				<-hang
				return
			}
			io.WriteString(c, okAnswer())
		}
	})
	c := newCaller(t, Config{URL: s.url, PoolSize: 4})
	c.Send([]*core.Invocation{invocation("hang1"), invocation("hang2"), invocation("hang3")})
	for i := range 100 {
		if o := c.call(invocation(strconv.Itoa(i))); o.Class != core.OutcomeOK {
			t.Fatalf("got %v %q", o.Class, o.Reason)
		}
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	closed := make(chan struct{})
	s := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
		always(okAnswer())(0, c, r)
		close(closed)
	})
	c := newCaller(t, Config{URL: s.url, PoolTTL: time.Millisecond}) // and one to three seconds of jitter
	if o := c.call(invocation("Kim")); o.Class != core.OutcomeOK {
		t.Fatalf("got %v %q", o.Class, o.Reason)
	}
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Error("the connection stays open")
	}
}

func TestCloseEndsWhatRuns(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	arrived := make(chan struct{}, 10)
	s := newScript(t, func(_ int, _ net.Conn, r *bufio.Reader) { readRequest(r); arrived <- struct{}{}; <-hang })
	c := newCaller(t, Config{URL: s.url, PoolSize: 1})
	c.Send([]*core.Invocation{invocation("a"), invocation("b")})
	<-arrived
	c.Close()
	c.Send([]*core.Invocation{invocation("late")})
	if len(c.results) != 0 {
		t.Errorf("got %+v after Close", <-c.results)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fn.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	scriptOn(t, l, "", func(_ int, c net.Conn, r *bufio.Reader) {
		head, _, _ := readRequest(r)
		got <- head
		io.WriteString(c, okAnswer())
	})
	c := newCaller(t, Config{URL: "http+unix://" + path + "/statefun", Transport: OkHTTP})
	if o := c.call(invocation("Kim")); o.Class != core.OutcomeOK {
		t.Errorf("got %v %q", o.Class, o.Reason)
	}
	if head := <-got; !strings.HasPrefix(head, "POST /statefun HTTP/1.1\r\nHost: localhost\r\n") {
		t.Errorf("got %q", head)
	}
}

func TestManyFunctionTypesDoNotFillTheMemory(t *testing.T) {
	s := newScript(t, always(okAnswer()))
	c := newCaller(t, Config{URL: s.url + "/{function.name}"})
	for i := range maxRoutes + 10 {
		inv := invocation("Kim")
		inv.Target.Type = core.FunctionType(fmt.Sprintf("example/made-up-%d", i))
		if o := c.call(inv); o.Class != core.OutcomeOK {
			t.Fatalf("got %v %q", o.Class, o.Reason)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.routes) > maxRoutes {
		t.Errorf("%d routes are kept", len(c.routes))
	}
}
