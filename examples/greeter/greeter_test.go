package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/examples/stage"
	"github.com/stateway/stateway/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

// server is the same functions in one language.
type server struct {
	name    string
	compat  string // its name in STATEWAY_COMPAT; empty if it always runs
	command func(root, tools string) harness.Spec
}

var servers = []server{
	{name: "Go", command: func(string, string) harness.Spec { return harness.Spec{} }},
	{name: "Python", compat: "python", command: func(root, tools string) harness.Spec {
		return harness.Spec{
			Path: filepath.Join(tools, "compat", "python", "bin", "python3"),
			Args: []string{filepath.Join(root, "examples", "greeter", "python", "greeter.py")},
		}
	}},
	{name: "JavaScript", compat: "js", command: func(root, _ string) harness.Spec {
		return harness.Spec{
			Path: "node", Args: []string{filepath.Join(root, "examples", "greeter", "javascript", "greeter.js")},
			Env: []string{"NODE_PATH=" + filepath.Join(root, "test", "compat", "js", "node_modules")},
		}
	}},
}

// TestAllLanguagesGreetAlike runs module.yaml with each function server, with the requests and answers of the README.
func TestAllLanguagesGreetAlike(t *testing.T) {
	ready := strings.Split(os.Getenv("STATEWAY_COMPAT"), ",")
	for _, s := range servers {
		if s.compat != "" && !slices.Contains(ready, s.compat) {
			t.Logf("not run: %s (STATEWAY_COMPAT does not name %s; make test PARTS=examples installs its SDK)", s.name, s.compat)
			continue
		}
		t.Run(s.name, func(t *testing.T) { greetings(t, s.start(t)) })
	}
}

// start starts the function server and returns its port.
func (s server) start(t *testing.T) int {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	tools, err := harness.Tools()
	if err != nil {
		t.Fatal(err)
	}
	port := harness.MustPort(t)
	spec := s.command(root, tools)
	if spec.Path == "" {
		spec.Path = harness.MustBuild(t, "./examples/greeter")
	}
	spec.Name, spec.Env = s.name+" functions", append(spec.Env, "PORT="+strconv.Itoa(port))
	process := harness.MustStart(t, spec)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := process.WaitOutput(ctx, "listening"); err != nil {
		t.Fatal(err)
	}
	return port
}

func greetings(t *testing.T, functions int) {
	s, err := stage.Open("", "greeter", functions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, want string }{
		{"Bob", "Welcome, Bob!"},
		{"Ann", "Welcome, Ann!"},
		{"Bob", "Welcome back, Bob! This is visit 2."},
		{"Bob", "Welcome back, Bob! This is visit 3."},
	} {
		request := harness.Message{Function: "example/person", ID: c.name, Type: "example/GreetRequest", Body: fmt.Appendf(nil, `{"name":%q}`, c.name)}
		if err := s.Ingress.Put(ctx, request); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Await(ctx, "greetings"); err != nil || got != c.want {
			t.Errorf("%s got %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestDemo(t *testing.T) {
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := harness.CommandOutput(ctx, harness.MustBuild(t, "./examples/greeter/demo"), "-stateway", binary, "Ann", "Ann")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "  Ann    -> Welcome, Ann!\n  Ann    -> Welcome back, Ann! This is visit 2.\nOK: 2 requests, 2 greetings\n"
	if string(out) != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}
