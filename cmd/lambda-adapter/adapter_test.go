package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
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
