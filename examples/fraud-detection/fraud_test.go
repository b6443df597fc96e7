package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

const missingPython = "no python3 with venv here; to get it: apt-get install python3-venv"

// skipOrFail ends a test. Where there is no Python `make test` names that in its closing lines, too, for all that use an SDK for it.
func skipOrFail(t *testing.T, err error) {
	t.Helper()
	if strings.Contains(err.Error(), missingPython) {
		t.Skip(missingPython)
	}
	t.Fatal(err)
}

func TestDemo(t *testing.T) {
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := harness.CommandOutput(ctx, harness.MustBuild(t, "./examples/fraud-detection/demo"), "-stateway", binary, "-payments", "400", "-window", "4s")
	t.Logf("the demo said:\n%s", out)
	if err != nil {
		skipOrFail(t, err)
	}
	for _, want := range []string{"kill -9", "delayed messages have come", "OK: 440 transactions, each decided exactly once; "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if harness.Namespaces() == nil && !strings.Contains(string(out), "behind Knative's queue-proxy") {
		t.Error("counter and merchant were not behind Knative's queue-proxy, which can run here")
	}
}

// What is in weights.json is what training gives.
func TestTraining(t *testing.T) {
	python, err := harness.Python(t.Context(), "fraud-detection", "examples/fraud-detection/python")
	if err != nil {
		skipOrFail(t, err)
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("python", "train.py"), "--check")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	t.Logf("train.py said:\n%s", out)
	if err != nil {
		t.Error(err)
	}
}

// Where there is no Python, the demo says how to get it. Its PATH holds nothing but go.
func TestDemoSaysWhatIsMissing(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	if err := os.Symlink(goTool, filepath.Join(path, "go")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), harness.MustBuild(t, "./examples/fraud-detection/demo"), "-stateway", binary)
	cmd.Env = append(os.Environ(), "PATH="+path, "STATEWAY_TOOLS="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "FAILED: "+missingPython) {
		t.Errorf("%v, it said:\n%s", err, out)
	}
}

func TestServe(t *testing.T) {
	program := harness.MustBuild(t, "./examples/fraud-detection")
	start := func(window string) *harness.Process {
		return harness.MustStart(t, harness.Spec{
			Name: "functions", Path: program, Env: []string{"PORT=" + strconv.Itoa(harness.MustPort(t)), "WINDOW=" + window},
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for window, want := range map[string]string{"": "counts for 720h0m0s", "1m": "counts for 1m0s"} {
		p := start(window)
		if err := p.WaitOutput(ctx, want); err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(10 * time.Second); err != nil {
			t.Errorf("SIGTERM: %v", err)
		}
	}
	for _, window := range []string{"a month", "0s"} {
		if p := start(window); p.ExitCode() != 2 || !strings.Contains(p.Output(), "WINDOW: ") {
			t.Errorf("WINDOW=%s: exit code %d, %s", window, p.ExitCode(), p.Output())
		}
	}
}

// A bootstrap with a setting that makes no sense does not start.
func TestBootstrapChecksItsSetting(t *testing.T) {
	for _, above := range []string{"much", "0", "1", "NaN"} {
		p := harness.MustStart(t, harness.Spec{
			Name: "bootstrap", Path: harness.MustBuild(t, "./examples/fraud-detection/bootstrap"), Env: []string{"ALERT_ABOVE=" + above},
		})
		if want := "ALERT_ABOVE=" + above; p.ExitCode() != 1 || !strings.Contains(p.Output(), want) {
			t.Errorf("exit code %d, %s, want %q", p.ExitCode(), p.Output(), want)
		}
	}
}
