package lambda

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/internal/lambdaemu"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/test/harness"
)

// emulate serves a function with the emulator.
func emulate(t testing.TB, f function, change ...func(*lambdaemu.Function)) (*lambdaemu.Emulator, string) {
	t.Helper()
	deployed := lambdaemu.Function{
		Name: "f", Command: []string{f.bootstrap}, Dir: filepath.Dir(f.bootstrap), Env: f.env, Timeout: time.Minute, Memory: 1024,
	}
	for _, c := range change {
		c(&deployed)
	}
	e, err := lambdaemu.New(lambdaemu.Config{Functions: []lambdaemu.Function{deployed}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		e.Close()
	})
	return e, server.URL
}

func TestUnderTheEmulator(t *testing.T) {
	for _, f := range functions(t) {
		t.Run(f.name, func(t *testing.T) {
			_, url := emulate(t, f)
			newCaller(t, url, "f").converse()
		})
	}
}

func TestUnderDevLambda(t *testing.T) {
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	f := function{bootstrap: build(t, "./test/aws/lambda/bootstrap")}
	port := harness.MustPort(t)
	dev := harness.MustStart(t, harness.Spec{
		Name: "dev lambda", Path: binary,
		Args: []string{"dev", "lambda", "--listen", harness.Loopback(port), "--timeout", "30s", "--memory", "512", "f=" + f.bootstrap},
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := dev.WaitOutput(ctx, "Lambda at http://"); err != nil {
		t.Fatal(err)
	}
	newCaller(t, "http://"+harness.Loopback(port), "f").converse()
	if err := dev.Stop(10 * time.Second); err != nil || dev.ExitCode() != 0 {
		t.Errorf("%v, exit code %d", err, dev.ExitCode())
	}
}

// AWS's own emulator drives the same bootstraps.
func TestUnderTheRuntimeInterfaceEmulator(t *testing.T) {
	rie, err := runtimeInterfaceEmulator(t.Context())
	var missing *harness.MissingToolError
	if errors.As(err, &missing) {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range functions(t) {
		t.Run(f.name, func(t *testing.T) {
			invoke, runtime := harness.MustPort(t), harness.MustPort(t)
			harness.MustStart(t, harness.Spec{
				Name: "RIE", Path: rie,
				Args: []string{
					"--log-level", "error", "--runtime-interface-emulator-address", harness.Loopback(invoke),
					"--runtime-api-address", harness.Loopback(runtime), f.bootstrap,
				},
				Env: append([]string{"AWS_LAMBDA_FUNCTION_TIMEOUT=60", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024", "LAMBDA_TASK_ROOT=" + filepath.Dir(f.bootstrap)}, f.env...),
			})
			awaitPort(t, invoke)
			newCaller(t, fmt.Sprintf("http://%s", harness.Loopback(invoke)), "function").converse()
		})
	}
}

// What befalls a process, and how a node sees it.
func TestProcessesThatEnd(t *testing.T) {
	f := function{bootstrap: build(t, "./test/aws/lambda/bootstrap")}
	e, url := emulate(t, f, func(f *lambdaemu.Function) { f.Timeout = 2 * time.Second })
	c := newCaller(t, url, "f")
	states := c.states()
	if o := c.ask(command("a", "exit", states), command("b", "add 1", states)); o.Class != core.GroupFailed || !strings.Contains(o.Reason, "exit status 3") {
		t.Errorf("%+v", o)
	}
	o := c.ask(command("a", "sleep 1h", states), command("b", "add 1", states))
	if o.Class != core.GroupAnswered || o.Items[0].Class != core.OutcomeTrouble || o.Items[1].Response == nil {
		t.Errorf("the SDK answers before its time is over: %+v", o)
	}
	if s := e.Stats("f"); s.TimedOut != 0 || s.Errors != 2 { // packed, and once more in JSON
		t.Errorf("%+v", s)
	}
}

// BenchmarkColdStart reports how long a bootstrap of the Go SDK takes from the start of its process until it asks for work.
func BenchmarkColdStart(b *testing.B) {
	f := function{bootstrap: build(b, "./test/aws/lambda/bootstrap")}
	total, starts := time.Duration(0), uint64(0)
	for b.Loop() {
		e, url := emulate(b, f)
		newCaller(b, url, "f").states()
		s := e.Stats("f")
		total, starts = total+s.Init, starts+s.Ready
		e.Close()
	}
	b.ReportMetric(float64(total.Microseconds())/1000/float64(starts), "ms/cold-start")
}
