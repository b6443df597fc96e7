package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// demo runs the demo to its end, and skips the test where kinesis-local cannot run; `make test` names that in its closing lines, too.
func demo(t *testing.T, flags ...string) string {
	t.Helper()
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := harness.CommandOutput(ctx, harness.MustBuild(t, "./examples/billing/demo"), append([]string{"-stateway", binary}, flags...)...)
	if err != nil && strings.Contains(err.Error(), missingNode) {
		t.Skip(missingNode)
	}
	t.Logf("the demo said:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

const missingNode = "no node and npm here; to get it: apt-get install nodejs npm"

func checkOutput(t *testing.T, out, language string, kills int) {
	t.Helper()
	for _, want := range []string{
		"the user function (" + language + ")", "Ann   ended", "Cleo  cancelled", "Dan   suspended",
		"changes written twice and taken once: 6\n", "\nOK: 60 changes, ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if n := strings.Count(out, "kill -9"); n != kills {
		t.Errorf("the node was killed %d times, want %d", n, kills)
	}
}

func TestDemo(t *testing.T) {
	checkOutput(t, demo(t, "-kills", "3"), "Go", 3)
}

func TestDemoWithThePythonUserFunction(t *testing.T) {
	if !slices.Contains(strings.Split(os.Getenv("STATEWAY_COMPAT"), ","), "python") {
		t.Skip("STATEWAY_COMPAT does not name python; make test PARTS=examples installs its SDK")
	}
	tools, err := harness.Tools()
	if err != nil {
		t.Fatal(err)
	}
	out := demo(t, "-kills", "2", "-python", filepath.Join(tools, "compat", "python", "bin", "python3"))
	checkOutput(t, out, "Python", 2)
}

// Where there is no Node, the demo says how to get it. Its PATH holds nothing but go.
func TestDemoSaysWhatIsMissing(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	if err := os.Symlink(goTool, filepath.Join(path, "go")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), harness.MustBuild(t, "./examples/billing/demo"))
	cmd.Env = append(os.Environ(), "PATH="+path, "STATEWAY_TOOLS="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "FAILED: "+missingNode) {
		t.Errorf("%v, it said:\n%s", err, out)
	}
}

// The commands of main.go serve the functions.
func TestServe(t *testing.T) {
	port := harness.MustPort(t)
	p := harness.MustStart(t, harness.Spec{
		Name: "functions", Path: harness.MustBuild(t, "./examples/billing"), Args: []string{"-month", "1m"}, Env: []string{fmt.Sprintf("PORT=%d", port)},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.WaitOutput(ctx, fmt.Sprintf("listening on http://127.0.0.1:%d/", port)); err != nil {
		t.Fatal(err)
	}
}
