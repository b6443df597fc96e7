package main

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
	"github.com/stateway/stateway/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

func TestVisitsCount(t *testing.T) {
	bob := statewaytest.New(t, newApp(), stateway.FunctionType("example/hello").At("Bob"))
	for i := range 3 {
		effects := bob.Deliver(stateway.Bytes.Of(nil))
		if len(effects.Egress) != 1 {
			t.Fatalf("%d records, want one greeting", len(effects.Egress))
		}
		want := fmt.Sprintf("Hello Bob, visit %d", i+1)
		if got := statewaytest.Playground(t, effects.Egress[0]); got.Topic != "greetings" || got.Payload != want {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
}

// makeBootstrap runs `make lambda-go`, as the README does, and returns a copy of what it has built: the next call builds another one.
func makeBootstrap(t *testing.T, vars ...string) string {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "make", append([]string{"-s", "lambda-go", "LAMBDA_DIR=" + dir}, vars...)...) //nolint:gosec // the test's own words
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make lambda-go: %v\n%s", err, out)
	}
	return filepath.Join(dir, "bootstrap")
}

// What is deployed needs nothing of the system that it runs on.
func TestTheBootstrapIsStatic(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"arm64": elf.EM_AARCH64, "amd64": elf.EM_X86_64} {
		f, err := elf.Open(makeBootstrap(t, "GOARCH="+arch))
		if err != nil {
			t.Fatal(err)
		}
		libraries, err := f.ImportedLibraries()
		if err != nil || len(libraries) > 0 || f.Machine != machine {
			t.Errorf("%s: for %s, needs %v, %v", arch, f.Machine, libraries, err)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				t.Errorf("%s: it wants a dynamic linker", arch)
			}
		}
		_ = f.Close()
	}
}

func TestDemo(t *testing.T) {
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := makeBootstrap(t, "GOOS="+runtime.GOOS)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := harness.CommandOutput(ctx, harness.MustBuild(t, "./examples/lambda-go/demo"), "-stateway", binary, "-bootstrap", bootstrap, "Ann", "Bob", "Ann")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	last := lines[len(lines)-1]
	greetings := lines[:len(lines)-1]
	slices.Sort(greetings) // Ann's are in order by themselves
	if got := strings.Join(greetings, "\n"); got != "  Hello Ann, visit 1\n  Hello Ann, visit 2\n  Hello Bob, visit 1" {
		t.Errorf("got\n%s", got)
	}
	if last != "OK: 3 requests, 3 greetings" {
		t.Errorf("the last line is %q", last)
	}
}
