package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/wire"
)

// TestMain is also the adapter, and the function server that it starts.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("TEST_SERVER") != "":
		os.Unsetenv("TEST_SERVER")
		serveFunctions()
	case os.Getenv("TEST_ADAPTER") != "":
		os.Unsetenv("TEST_ADAPTER")
		main()
	default:
		os.Exit(m.Run())
	}
}

// serveFunctions is a function server: TEST_LISTEN says where.
func serveFunctions() {
	app := stateway.New()
	app.Function("test/echo", func(ctx *stateway.Context, msg stateway.Message) error {
		ctx.Send(ctx.Self(), msg.Payload())
		return nil
	})
	app.Function("test/traced", func(ctx *stateway.Context, _ stateway.Message) error {
		ctx.Send(ctx.Self(), stateway.String.Of("<"+ctx.Traceparent()+">"))
		return nil
	})
	app.Function("test/fails", func(*stateway.Context, stateway.Message) error { return errors.New("no") })
	app.Function("test/crashes", func(*stateway.Context, stateway.Message) error {
		fmt.Println("the server crashes")
		os.Exit(3)
		return nil
	})
	app.Function("test/hangs", func(ctx *stateway.Context, _ stateway.Message) error {
		fmt.Println("somebody hangs")
		<-ctx.Done()
		return ctx.Err()
	})
	network, address, _ := strings.Cut(os.Getenv("TEST_LISTEN"), " ")
	if network == "unix" {
		_ = os.Remove(address)
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("the server listens")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		if os.Getenv("TEST_STUBBORN") != "" {
			fmt.Println("the server ignores SIGTERM")
			return
		}
		fmt.Println("the server got SIGTERM")
		os.Exit(0)
	}()
	_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if status := req.URL.Query().Get("status"); status != "" {
			w.Header().Set("Retry-After", "2")
			http.Error(w, "as asked", map[string]int{"503": 503, "429": 429, "502": 502, "404": 404}[status])
			return
		}
		app.ServeHTTP(w, req)
	}))
}

// environment is what Lambda shows a bootstrap: the Runtime API and the Extensions API.
type environment struct {
	payloads   chan []byte
	answers    chan string
	budget     time.Duration // of each invocation
	registered chan string
	log        *lockedBuffer
	cmd        *exec.Cmd
	ended      chan struct{}
}

// start starts an adapter in an environment of its own.
func start(t testing.TB, budget time.Duration, env ...string) *environment {
	t.Helper()
	return startAs(t, nil, budget, env...)
}

// startAs is start with arguments.
func startAs(t testing.TB, args []string, budget time.Duration, env ...string) *environment {
	t.Helper()
	e := &environment{
		payloads: make(chan []byte), answers: make(chan string, 1), registered: make(chan string, 1), budget: budget,
		log: new(lockedBuffer), ended: make(chan struct{}),
	}
	api := httptest.NewServer(e.handler())
	t.Cleanup(api.Close)
	e.cmd = exec.Command(os.Args[0], args...)
	e.cmd.Env = append(os.Environ(), append(env, "TEST_ADAPTER=1", "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(api.URL, "http://"))...)
	e.cmd.Env = append(e.cmd.Env, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE")) // else each process sleeps a second before it ends
	e.cmd.Stdout, e.cmd.Stderr = e.log, e.log
	e.cmd.WaitDelay = time.Second // a server that outlived the adapter would keep their output open
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = e.cmd.Wait()
		close(e.ended)
	}()
	t.Cleanup(func() {
		_ = e.cmd.Process.Signal(syscall.SIGTERM) // it ends its server
		<-e.ended
		if t.Failed() {
			t.Log(e.log.String())
		}
	})
	return e
}

func (e *environment) handler() http.Handler {
	mux := http.NewServeMux()
	n := 0
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, req *http.Request) {
		select {
		case payload := <-e.payloads:
			n++
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint("request-", n))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(e.budget).UnixMilli()))
			_, _ = w.Write(payload)
		case <-req.Context().Done():
		}
	})
	answer := func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		e.answers <- req.PathValue("what") + " " + string(body)
		w.WriteHeader(http.StatusAccepted)
	}
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{what}", answer)
	mux.HandleFunc("POST /2018-06-01/runtime/init/{what}", answer)
	mux.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		e.registered <- req.Header.Get("Lambda-Extension-Name") + " " + string(body)
		w.Header().Set("Lambda-Extension-Identifier", "the-extension")
	})
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	return mux
}

// ask invokes the function and returns the kind of the answer ("response" or "error") and its body.
func (e *environment) ask(t testing.TB, payload []byte) (what, body string) {
	t.Helper()
	select {
	case e.payloads <- payload:
	case <-e.ended:
		t.Fatal("the adapter has ended")
	}
	return e.answer(t)
}

func (e *environment) answer(t testing.TB) (what, body string) {
	t.Helper()
	select {
	case answer := <-e.answers:
		what, body, _ = strings.Cut(answer, " ")
	case <-e.ended:
		t.Fatal("the adapter has ended")
	}
	return what, body
}

// group asks with a group and returns the answers by id.
func (e *environment) group(t testing.TB, enc group.Encoding, calls ...group.Call) map[string]group.Answer {
	t.Helper()
	var encoder group.Encoder
	encoder.Reset(enc, nil, 0)
	for i := range calls {
		encoder.AddCall(&calls[i])
	}
	what, body := e.ask(t, encoder.Finish())
	if what != "response" {
		t.Fatalf("got %s %s", what, body)
	}
	list, err := group.ParseAnswers(enc, []byte(body), nil)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(map[string]group.Answer)
	for _, a := range list {
		answers[a.ID] = a
	}
	return answers
}

// callOf is a call of the function test/<name>.
func callOf(t testing.TB, id, name string) group.Call {
	t.Helper()
	argument, err := stateway.String.Of("hello").AppendTypedValue(nil)
	if err != nil {
		t.Fatal(err)
	}
	to := wire.ToFunction{Target: wire.Address{Namespace: "test", Type: name, ID: id}, Invocations: []wire.Invocation{{Argument: argument}}}
	to.Size()
	return group.Call{ID: id, Source: "stateway:test", Target: to.Target, Attempt: 1, Data: to.Append(nil)}
}

// freePort returns the address of a port that nobody listens at.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// overTCP are the settings for a server at a port of its own.
func overTCP(t testing.TB, more ...string) []string {
	t.Helper()
	address := freePort(t)
	return append([]string{"STATEWAY_COMMAND=TEST_SERVER=1 " + os.Args[0], "TEST_LISTEN=tcp " + address, "STATEWAY_URL=http://" + address + "/functions"}, more...)
}

// lockedBuffer takes the output of a process and of its child.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await waits until text was written.
func (l *lockedBuffer) await(t testing.TB, text string) {
	t.Helper()
	for !strings.Contains(l.String(), text) {
		if t.Context().Err() != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
