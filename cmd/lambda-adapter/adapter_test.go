package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stateway/stateway/protocol/group"
)

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestGroupsBecomePlainRequests(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "server.sock")
	for name, env := range map[string][]string{
		"loopback": overTCP(t, "STATEWAY_PARALLEL=3"),
		"a socket": {"_HANDLER=TEST_SERVER=1 " + os.Args[0], "TEST_LISTEN=unix " + socket, "STATEWAY_URL=unix:" + socket},
		"a probe":  overTCP(t, "STATEWAY_READY_PATH=/ready"),
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, time.Minute, env...)
			for _, enc := range []group.Encoding{group.JSON, group.Packed} {
				calls := []group.Call{callOf(t, "fails", "fails"), callOf(t, "nobody", "nobody")}
				for i := range 20 {
					calls = append(calls, callOf(t, fmt.Sprint("echo-", i), "echo"))
				}
				traced := map[string]string{"none": "", "traced": traceparent, "bad": "two\r\nlines: hello"}
				for id, tr := range traced {
					call := callOf(t, id, "traced")
					call.Traceparent = tr
					calls = append(calls, call)
				}
				answers := e.group(t, enc, calls...)
				traced["bad"] = ""
				for id, tr := range traced {
					if a := answers[id]; a.Kind != group.Result || !strings.Contains(string(a.Data), "<"+tr+">") {
						t.Errorf("%s: %s %q %q", id, a.Kind, a.Message, a.Data)
					}
				}
				if len(answers) != len(calls) {
					t.Errorf("%d answers to %d calls", len(answers), len(calls))
				}
				for id, a := range answers {
					switch {
					case strings.HasPrefix(id, "echo") && (a.Kind != group.Result || !strings.Contains(string(a.Data), "hello")):
						t.Errorf("%s: %s %q", id, a.Kind, a.Message)
					case id == "fails" && (a.Kind != group.Poison || !strings.Contains(a.Message, "status 500") || !strings.Contains(a.Message, "message 1 of 1: no")):
						t.Errorf("%s: %s %q", id, a.Kind, a.Message)
					case id == "nobody" && a.Kind != group.Poison:
						t.Errorf("%s: %s %q", id, a.Kind, a.Message)
					}
				}
				if got := answers["fails"].Encodings; !got.Has(group.Packed) {
					t.Errorf("the first answer announces %q", got)
				}
			}
			if what, body := e.ask(t, []byte(`{"Records":[]}`)); what != "error" || !strings.Contains(body, "no group of Stateway") {
				t.Errorf("got %s %s", what, body)
			}
			if !strings.Contains(e.log.String(), "the server listens") {
				t.Errorf("the server's output is not in the log: %s", e.log)
			}
		})
	}
}

func TestStatusesOfTheServer(t *testing.T) {
	for status, want := range map[string]group.Answer{
		"429": {Kind: group.RetryAfter, RetryAfterMillis: 2000}, "503": {Kind: group.RetryAfter, RetryAfterMillis: 2000},
		"502": {Kind: group.Retry}, "404": {Kind: group.Poison},
	} {
		t.Run(status, func(t *testing.T) {
			env := overTCP(t)
			env[2] += "?status=" + status
			a := start(t, time.Minute, env...).group(t, group.JSON, callOf(t, "1", "echo"))["1"]
			if a.Kind != want.Kind || a.RetryAfterMillis != want.RetryAfterMillis || a.Message != "status "+status+": as asked" {
				t.Errorf("got %s %d %q", a.Kind, a.RetryAfterMillis, a.Message)
			}
		})
	}
}

func TestAnswersOfTheServerAndWhatTheyMean(t *testing.T) {
	octets := http.Header{"Content-Type": {"application/octet-stream"}}
	after := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	for _, tt := range []struct {
		name   string
		status int
		header http.Header
		body   int // bytes
		want   group.Kind
		after  int64
	}{
		{"an answer", 200, octets, 3, group.Result, 0},
		{"an answer without effects", 200, nil, 0, group.Result, 0},
		{"parameters and case do not matter", 200, http.Header{"Content-Type": {"Application/Octet-Stream; q=1"}}, 1, group.Result, 0},
		{"another content type", 200, http.Header{"Content-Type": {"text/html"}}, 1, group.Poison, 0},
		{"the largest answer", 200, octets, maxAnswer, group.Result, 0},
		{"one that is larger", 200, octets, maxAnswer + 1, group.Poison, 0},
		{"429", 429, nil, 0, group.Retry, 0},
		{"503", 503, nil, 0, group.Retry, 0},
		{"503 and when", 503, after("7"), 0, group.RetryAfter, 7000},
		{"503 and a date", 503, after("Fri, 31 Dec 1999 23:59:59 GMT"), 0, group.Retry, 0},
		{"503 and too many seconds", 503, after("99999999999999999999"), 0, group.Retry, 0},
		{"502", 502, after("7"), 0, group.Retry, 0},
		{"504", 504, nil, 0, group.Retry, 0},
		{"500", 500, after("7"), 0, group.Poison, 0},
		{"400", 400, nil, 0, group.Poison, 0},
		{"204", 204, nil, 0, group.Poison, 0},
		{"a redirect", 302, nil, 0, group.Poison, 0},
	} {
		a := classify(&http.Response{StatusCode: tt.status, Header: tt.header}, make([]byte, tt.body))
		if a.Kind != tt.want || a.RetryAfterMillis != tt.after || len(a.Message) > 2*maxText {
			t.Errorf("%s: got %s %d %q", tt.name, a.Kind, a.RetryAfterMillis, a.Message)
		}
		if a.Kind == group.Result && len(a.Data) != tt.body {
			t.Errorf("%s: %d bytes of %d", tt.name, len(a.Data), tt.body)
		}
	}
}

// inside is an adapter for a server in this process.
func inside(t *testing.T, handler http.HandlerFunc) (*adapter, *httptest.Server) {
	t.Helper()
	h := httptest.NewUnstartedServer(handler)
	t.Cleanup(h.Close)
	cfg := config{url: "http://" + h.Listener.Addr().String() + "/", parallel: 1}
	s := newServer(cfg, slog.New(slog.DiscardHandler))
	t.Cleanup(s.client.CloseIdleConnections)
	s.setReady(t.Context())
	return newAdapter(cfg, s), h
}

// payloadOf is a group of calls of a function that is not there.
func payloadOf(t *testing.T, n int) []byte {
	t.Helper()
	var e group.Encoder
	e.Reset(group.Packed, nil, 0)
	for i := range n {
		call := callOf(t, fmt.Sprint(i), "echo")
		e.AddCall(&call)
	}
	return e.Finish()
}

// A connection that both sides have slept over may be closed by the server just as a call is sent.
func TestConnectionsAreNotKeptOverAPause(t *testing.T) {
	var connections atomic.Int32
	a, h := inside(t, func(http.ResponseWriter, *http.Request) {})
	h.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	h.Start()
	for i, step := range []struct {
		passed time.Duration
		want   int32
	}{{0, 1}, {0, 1}, {time.Minute, 2}, {0, 2}, {-time.Hour, 3}} { // the last: somebody has set the clock
		a.last = a.last.Add(-step.passed)
		if _, err := a.answer(t.Context(), payloadOf(t, 3)); err != nil {
			t.Fatal(err)
		}
		if got := connections.Load(); got != step.want {
			t.Errorf("invocation %d: %d connections, want %d", i, got, step.want)
		}
	}
}

func TestNoMoreIsKeptThanFitsIntoAnAnswer(t *testing.T) {
	body := make([]byte, maxAnswer)
	a, h := inside(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	})
	h.Start()
	payload := payloadOf(t, maxKept/maxAnswer+2)
	calls, err := group.ParseCalls(group.Packed, payload, nil)
	if err != nil {
		t.Fatal(err)
	}
	kept, answers := 0, a.askAll(t.Context(), calls)
	for i := range answers {
		if answers[i].ID != "" {
			kept++
		}
	}
	if kept != maxKept/maxAnswer {
		t.Errorf("kept %d of %d answers", kept, len(answers))
	}
}

func TestACrashOfTheServerIsSurvived(t *testing.T) {
	e := start(t, time.Minute, overTCP(t, "STATEWAY_PARALLEL=1")...)
	answers := e.group(t, group.JSON, callOf(t, "1", "echo"), callOf(t, "2", "crashes"), callOf(t, "3", "echo"), callOf(t, "4", "echo"))
	if a := answers["2"]; a.Kind != group.Retry {
		t.Errorf("got %s %q", a.Kind, a.Message)
	}
	for _, id := range []string{"1", "4"} { // the one right behind may meet the server as it dies
		if a := answers[id]; a.Kind != group.Result {
			t.Errorf("%s: %s %q", id, a.Kind, a.Message)
		}
	}
	if a := e.group(t, group.JSON, callOf(t, "5", "echo"))["5"]; a.Kind != group.Result {
		t.Errorf("after it: %s %q", a.Kind, a.Message)
	}
	for _, want := range []string{"the server crashes", "exit status 3", "started anew"} {
		if !strings.Contains(e.log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, e.log)
		}
	}
}

func TestItemsAreAnsweredBeforeTheTimeIsOver(t *testing.T) {
	e := start(t, 3*time.Second, overTCP(t, "STATEWAY_MARGIN=1s", "STATEWAY_PARALLEL=2")...)
	e.group(t, group.JSON, callOf(t, "first", "echo")) // the adapter's start is not measured
	began := time.Now()
	short := callOf(t, "short", "hangs")
	short.TimeoutMillis = 100
	answers := e.group(t, group.JSON, callOf(t, "long", "hangs"), short, callOf(t, "echo", "echo"), callOf(t, "last", "hangs"), callOf(t, "never", "echo"))
	if took := time.Since(began); took >= 3*time.Second {
		t.Errorf("answered after %s", took)
	}
	for id, want := range map[string]group.Kind{"long": group.Retry, "short": group.Retry, "echo": group.Result, "last": group.Retry, "never": group.Retry} {
		if a := answers[id]; a.Kind != want {
			t.Errorf("%s: got %s %q, want %s", id, a.Kind, a.Message, want)
		}
	}
}

func TestAServerThatDoesNotStart(t *testing.T) {
	e := start(t, time.Minute, overTCP(t, "STATEWAY_COMMAND=echo sorry; exit 7", "STATEWAY_READY_TIMEOUT=300ms")...)
	if what, body := e.answer(t); what != "error" || !strings.Contains(body, "not ready") || !strings.Contains(body, "Stateway.ServerNotReady") {
		t.Errorf("got %s %s", what, body)
	}
	<-e.ended
	if code := e.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(e.log.String(), "sorry") {
		t.Errorf("exit code %d, %s", code, e.log)
	}
}

func TestSIGTERMReachesTheServer(t *testing.T) {
	e := start(t, time.Minute, overTCP(t, "STATEWAY_SIGTERM=true")...)
	if got := <-e.registered; !strings.HasSuffix(got, ` {"events":[]}`) || !strings.HasPrefix(got, filepath.Base(os.Args[0])) {
		t.Errorf("registered as %s", got)
	}
	if a := e.group(t, group.JSON, callOf(t, "1", "echo"))["1"]; a.Kind != group.Result {
		t.Fatalf("%s %q", a.Kind, a.Message)
	}
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-e.ended
	if code := e.cmd.ProcessState.ExitCode(); code != 0 || !strings.Contains(e.log.String(), "the server got SIGTERM") {
		t.Errorf("exit code %d, %s", code, e.log)
	}
}

func TestWhatIsNotFinishedAtSIGTERMIsAnsweredWithRetry(t *testing.T) {
	e := start(t, time.Minute, overTCP(t, "STATEWAY_SIGTERM=true", "STATEWAY_PARALLEL=1")...)
	go func() {
		e.log.await(t, "somebody hangs")
		_ = e.cmd.Process.Signal(syscall.SIGTERM)
	}()
	answers := e.group(t, group.JSON, callOf(t, "done", "echo"), callOf(t, "long", "hangs"), callOf(t, "never", "echo"))
	for id, want := range map[string]group.Kind{"done": group.Result, "long": group.Retry, "never": group.Retry} {
		if a := answers[id]; a.Kind != want {
			t.Errorf("%s: got %s %q, want %s", id, a.Kind, a.Message, want)
		}
	}
	<-e.ended
	if code := e.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// What does not end at SIGTERM is killed, with what it has started.
func TestAServerThatIgnoresSIGTERM(t *testing.T) {
	env := overTCP(t, "STATEWAY_SIGTERM=true", "TEST_STUBBORN=1")
	e := start(t, time.Minute, env...)
	e.group(t, group.JSON, callOf(t, "1", "echo"))
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-e.ended
	if !strings.Contains(e.log.String(), "the server ignores SIGTERM") {
		t.Errorf("the server was not asked first: %s", e.log)
	}
	address := strings.TrimPrefix(env[1], "TEST_LISTEN=tcp ")
	for end := time.Now().Add(10 * time.Second); ; { // until the system is done with what was killed
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(end) {
			t.Fatal("the server is still there")
		}
	}
}

func TestSettingsAreCheckedTogether(t *testing.T) {
	env := map[string]string{
		"STATEWAY_URL": "ftp://x", "STATEWAY_PARALLEL": "0", "STATEWAY_MARGIN": "soon", "STATEWAY_SIGTERM": "perhaps", "STATEWAY_READY_PATH": "x",
	}
	_, err := readConfig(func(name string) string { return env[name] })
	for _, want := range []string{"AWS_LAMBDA_RUNTIME_API", "STATEWAY_URL", "STATEWAY_PARALLEL", "STATEWAY_MARGIN", "STATEWAY_SIGTERM", "STATEWAY_READY_PATH"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}

// Under a wrapper, the handler belongs to the managed runtime and is no command.
func TestTheHandlerOfAManagedRuntimeIsNotRun(t *testing.T) {
	for wrapper, want := range map[string]string{"": "app.handler", "/opt/lambda-adapter": ""} {
		env := map[string]string{"AWS_LAMBDA_RUNTIME_API": "x", "_HANDLER": "app.handler", "AWS_LAMBDA_EXEC_WRAPPER": wrapper}
		cfg, err := readConfig(func(name string) string { return env[name] })
		if err != nil || cfg.command != want {
			t.Errorf("wrapper %q: runs %q, want %q; %v", wrapper, cfg.command, want, err)
		}
	}
}

// As a wrapper it is given the command line of the managed runtime. It serves in the runtime's place, which never starts.
func TestInPlaceOfAManagedRuntime(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	runtime := []string{"/bin/sh", "-c", "touch " + started}
	e := startAs(t, runtime, time.Minute, overTCP(t, "AWS_LAMBDA_EXEC_WRAPPER=/opt/lambda-adapter", "_HANDLER=app.handler")...)
	if a := e.group(t, group.JSON, callOf(t, "1", "echo"))["1"]; a.Data == nil {
		t.Errorf("got %+v, want the answer of the server that STATEWAY_COMMAND starts", a)
	}
	if _, err := os.Stat(started); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the managed runtime was started: %v", err)
	}
}
