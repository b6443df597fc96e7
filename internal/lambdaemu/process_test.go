//go:build unix

package lambdaemu_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/stateway/stateway/internal/lambdaemu"
)

// TestMain is also the bootstrap.
func TestMain(m *testing.M) {
	switch os.Getenv("TEST_BOOTSTRAP") {
	case "":
		os.Exit(m.Run())
	case "exit":
		os.Exit(4)
	case "child":
		child := exec.Command("sleep", "3600")
		child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := child.Start(); err != nil {
			os.Exit(5)
		}
		_ = os.WriteFile(os.Getenv("MORE"), []byte(strconv.Itoa(child.Process.Pid)), 0o600)
	case "extension":
		registerExtension()
	}
	lambda.Start(handle)
}

// handle does what the payload says.
func handle(ctx context.Context, what string) (string, error) {
	switch what {
	case "fail":
		return "", errors.New("as asked")
	case "panic":
		panic("as asked")
	case "exit":
		os.Exit(3)
	case "hang":
		<-ctx.Done()
		time.Sleep(time.Hour)
	case "eat":
		for eaten := [][]byte{}; ; time.Sleep(10 * time.Millisecond) {
			piece := make([]byte, 16<<20)
			for i := range piece {
				piece[i] = 1
			}
			eaten = append(eaten, piece)
		}
	case "large":
		return strings.Repeat("x", lambdaemu.MaxPayload), nil
	case "env":
		return os.Getenv("AWS_LAMBDA_FUNCTION_NAME") + " " + os.Getenv("_HANDLER") + " " + os.Getenv("MORE"), nil
	}
	return what, nil
}

// registerExtension asks for SIGTERM, and leaves a file when it comes.
func registerExtension() {
	req, _ := http.NewRequest(http.MethodPost, "http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2020-01-01/extension/register", strings.NewReader(`{"events":[]}`))
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.Header.Get("Lambda-Extension-Identifier") == "" {
		os.Exit(5)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		_ = os.WriteFile(os.Getenv("MORE"), nil, 0o600)
		os.Exit(0)
	}()
}

// bootstrap is a function whose bootstrap is this program.
func bootstrap(kind string) lambdaemu.Function {
	return lambdaemu.Function{Command: []string{os.Args[0]}, Env: []string{"TEST_BOOTSTRAP=" + kind, "MORE=more"}, Timeout: 30 * time.Second, Memory: 512}
}

func TestBootstraps(t *testing.T) {
	e := emulate(t, bootstrap("yes"))
	if g := invoke(t, e, "f", `"hello"`); g.status != 200 || g.body != `"hello"` || g.failed != "" {
		t.Fatalf("%+v", g)
	}
	if g := invoke(t, e, "f", `"env"`); g.body != `"f bootstrap more"` {
		t.Errorf("%+v", g)
	}
	if s := e.Stats("f"); s.ColdStarts != 1 || s.Ready != 1 || s.Init <= 0 {
		t.Errorf("%+v", s)
	}
	cases := []struct{ payload, kind, text string }{
		{`"fail"`, "errorString", "as asked"},
		{`"panic"`, "string", "as asked"},
		{`"exit"`, "Runtime.ExitError", "exit status 3"},
		{`"large"`, "Function.ResponseSizeTooLarge", "exceeded maximum"},
	}
	for _, c := range cases {
		if g := invoke(t, e, "f", c.payload); g.status != 200 || g.failed != "Unhandled" || g.errorType() != c.kind || !strings.Contains(g.body, c.text) {
			t.Errorf("%s: %+v", c.payload, g)
		}
		if g := invoke(t, e, "f", `"again"`); g.body != `"again"` {
			t.Errorf("after %s: %+v", c.payload, g)
		}
	}
}

func TestABootstrapOutOfTime(t *testing.T) {
	f := bootstrap("yes")
	f.Timeout = 300 * time.Millisecond
	e := emulate(t, f)
	if g := invoke(t, e, "f", `"hang"`); g.errorType() != "Sandbox.Timedout" {
		t.Errorf("%+v", g)
	}
	f.KeepRunning = time.Hour // ends with the emulator
	e = emulate(t, f)
	if g := invoke(t, e, "f", `"hang"`); g.errorType() != "Sandbox.Timedout" {
		t.Errorf("%+v", g)
	}
	if g := invoke(t, e, "f", `"again"`); g.body != `"again"` || e.Stats("f").ColdStarts != 2 {
		t.Errorf("%+v", g)
	}
}

func TestABootstrapOutOfMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // the emulator says so
	}
	f := bootstrap("yes")
	f.Memory = 128
	if g := invoke(t, emulate(t, f), "f", `"eat"`); g.errorType() != "Runtime.ExitError" || !strings.Contains(g.body, "signal: killed") {
		t.Errorf("%+v", g)
	}
}

func TestBootstrapsThatDoNotStart(t *testing.T) {
	if g := invoke(t, emulate(t, bootstrap("exit")), "f", "{}"); g.errorType() != "Runtime.ExitError" || !strings.Contains(g.body, "exit status 4") {
		t.Errorf("%+v", g)
	}
	f := lambdaemu.Function{Command: []string{filepath.Join(t.TempDir(), "nothing")}}
	if g := invoke(t, emulate(t, f), "f", "{}"); g.errorType() != "Runtime.InvalidEntrypoint" || !strings.Contains(g.body, "nothing") {
		t.Errorf("%+v", g)
	}
}

func TestFrozenEnvironmentsThaw(t *testing.T) {
	f := bootstrap("yes")
	f.Freeze = true
	e := emulate(t, f)
	for range 20 {
		if g := invoke(t, e, "f", `"hello"`); g.body != `"hello"` {
			t.Fatalf("%+v", g)
		}
	}
	if s := e.Stats("f"); s.ColdStarts != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAnExtensionGetsSIGTERM(t *testing.T) {
	sign := filepath.Join(t.TempDir(), "sign")
	f := bootstrap("extension")
	f.Env = append(f.Env, "MORE="+sign)
	e := emulate(t, f)
	if g := invoke(t, e, "f", `"hello"`); g.body != `"hello"` {
		t.Fatalf("%+v", g)
	}
	e.Close()
	if _, err := os.Stat(sign); err != nil {
		t.Error(err)
	}
}

// A server that the bootstrap has started ends with the environment, also in a process group of its own.
func TestNothingOutlivesAnEnvironment(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // the emulator says so
	}
	note := filepath.Join(t.TempDir(), "pid")
	f := bootstrap("child")
	f.Env = append(f.Env, "MORE="+note)
	e := emulate(t, f)
	if g := invoke(t, e, "f", `"hello"`); g.body != `"hello"` {
		t.Fatalf("%+v", g)
	}
	text, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	for range 100 {
		state, err := os.ReadFile("/proc/" + string(text) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond) // until the kernel is through with it
	}
	t.Errorf("process %s lives", text)
}

func TestManyAtOnce(t *testing.T) {
	e := emulate(t, bootstrap("yes"), func(c *lambdaemu.Config) { c.Concurrency = 8 })
	server := httptest.NewServer(e)
	defer server.Close()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				resp, err := http.Post(server.URL+"/2015-03-31/functions/f/invocations", "", strings.NewReader(`"x"`))
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Error(err, resp)
					return
				}
				resp.Body.Close()
			}
		})
	}
	all.Wait()
	if s := e.Stats("f"); s.Invocations != 400 || s.ColdStarts > 8 {
		t.Errorf("%+v", s)
	}
}
