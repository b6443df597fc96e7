package http

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	pb "github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
)

const serverEnv = "STATEWAY_BENCH_SERVER" // address to serve at, in a process of its own

func TestMain(m *testing.M) {
	if addr := os.Getenv(serverEnv); addr != "" {
		serveBench(addr)
		return
	}
	goleak.VerifyTestMain(m)
}

func invocation(id string) *core.Invocation {
	return &core.Invocation{
		Target:   core.Address{Type: "example/counter", ID: id},
		States:   []core.NamedValue{{Name: "count", Value: wire.AppendTypedValue(nil, "io.statefun.types/long", []byte("\x0912345678"))}},
		Messages: []*core.Message{{Arg: wire.AppendTypedValue(nil, "io.statefun.types/string", []byte("\x0a\x05hello"))}},
	}
}

// okBody is an answer with one mutation and one egress record.
var okBody = func() []byte {
	value := &pb.TypedValue{Typename: "io.statefun.types/long", HasValue: true, Value: []byte("\x0912345679")}
	b, err := proto.Marshal(&pb.FromFunction{Response: &pb.FromFunction_InvocationResult{InvocationResult: &pb.FromFunction_InvocationResponse{
		StateMutations:   []*pb.FromFunction_PersistedValueMutation{{MutationType: 1, StateName: "count", StateValue: value}},
		OutgoingEgresses: []*pb.FromFunction_EgressMessage{{EgressNamespace: "example", EgressType: "out", Argument: value}},
	}}})
	if err != nil {
		panic(err)
	}
	return b
}()

func okAnswer() string {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + strconv.Itoa(len(okBody)) + "\r\n\r\n" + string(okBody)
}

// script is a server that handles each connection with one function, for answers that no real server gives.
type script struct {
	url         string
	connections atomic.Int32
}

func newScript(tb testing.TB, handle func(n int, conn net.Conn, requests *bufio.Reader)) *script {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return scriptOn(tb, l, "http://"+l.Addr().String()+"/fn", handle)
}

func scriptOn(tb testing.TB, l net.Listener, url string, handle func(n int, conn net.Conn, requests *bufio.Reader)) *script {
	tb.Helper()
	s := &script{url: url}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(s.connections.Add(1))
			tb.Cleanup(func() { c.Close() })
			go func() {
				defer c.Close()
				handle(n, c, bufio.NewReader(c))
			}()
		}
	}()
	tb.Cleanup(func() { l.Close(); <-done })
	return s
}

// readRequest reads one request and returns its head and body.
func readRequest(r *bufio.Reader) (head string, body []byte, err error) {
	var b strings.Builder
	length := 0
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return "", nil, err
		}
		b.WriteString(l)
		if v, ok := strings.CutPrefix(l, "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(v))
		}
		if l == "\r\n" {
			break
		}
	}
	body = make([]byte, length)
	_, err = io.ReadFull(r, body)
	return b.String(), body, err
}

// always answers every request with the same bytes.
func always(answer string) func(int, net.Conn, *bufio.Reader) {
	return func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			if _, _, err := readRequest(r); err != nil {
				return
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	}
}

// caller is a Client whose results can be waited for one by one.
type caller struct {
	*Client
	tb      testing.TB
	results chan core.Result
}

func newCaller(tb testing.TB, cfg Config) *caller {
	tb.Helper()
	results := make(chan core.Result, 10_000)
	c, err := New(cfg, func(rs []core.Result) {
		for _, r := range rs {
			results <- r
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return &caller{c, tb, results}
}

func (c *caller) call(inv *core.Invocation) core.Outcome {
	c.tb.Helper()
	c.Send([]*core.Invocation{inv})
	return c.wait().Outcome
}

func (c *caller) wait() core.Result {
	c.tb.Helper()
	select {
	case r := <-c.results:
		return r
	case <-time.After(20 * time.Second):
		c.tb.Fatal("no result")
		panic("unreachable")
	}
}

// serveBench is a minimal HTTP/1.1 function server: it looks for the end of a request and answers the same each time.
func serveBench(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	go func() { // ends with the process that started it
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	answer := []byte(okAnswer())
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go benchConn(c, answer)
	}
}

func benchConn(c net.Conn, answer []byte) {
	defer c.Close()
	buf, n := make([]byte, 8192), 0
	for {
		k, err := c.Read(buf[n:])
		if err != nil {
			return
		}
		n += k
		i := bytes.Index(buf[:n], []byte("\r\n\r\n"))
		if i < 0 {
			continue
		}
		at := bytes.Index(buf[:i], []byte("ontent-Length: ")) + len("ontent-Length: ")
		length := 0
		for ; buf[at] >= '0' && buf[at] <= '9'; at++ {
			length = length*10 + int(buf[at]-'0')
		}
		if n < i+4+length {
			continue
		}
		n = copy(buf, buf[i+4+length:n])
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

func bigValue(b []byte) []byte { return wire.AppendTypedValue(nil, "example/big", b) }

// bigAnswer writes b as a state.
func bigAnswer(b []byte) []byte {
	out, err := proto.Marshal(&pb.FromFunction{Response: &pb.FromFunction_InvocationResult{InvocationResult: &pb.FromFunction_InvocationResponse{
		StateMutations: []*pb.FromFunction_PersistedValueMutation{{
			MutationType: 1, StateName: "big", StateValue: &pb.TypedValue{Typename: "example/big", HasValue: true, Value: b},
		}},
	}}})
	if err != nil {
		panic(err)
	}
	return out
}
