package harness

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// MustPort returns a free loopback port.
func MustPort(tb testing.TB) int {
	tb.Helper()
	port, err := FreePort()
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

// MustStart starts a process that is killed when the test ends. Its last output is shown if the test failed.
func MustStart(tb testing.TB, spec Spec) *Process {
	tb.Helper()
	p, err := Start(spec)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { finish(tb, p) })
	return p
}

// MustStartNode starts a node that is killed when the test ends. Its last output is shown if the test failed.
func MustStartNode(tb testing.TB, c NodeConfig) *Node {
	tb.Helper()
	n, err := StartNode(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { finish(tb, n.Process) })
	return n
}

// MustReady waits until the node serves, at most 30 s.
func (n *Node) MustReady(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	if err := n.WaitReady(ctx); err != nil {
		tb.Fatal(err)
	}
}

func finish(tb testing.TB, p *Process) {
	p.Kill()
	if tb.Failed() && p.Output() != "" {
		tb.Logf("last output of %s (pid %d):\n%s", p.Name(), p.PID(), p.Output())
	}
}

// MustBuild builds a main package of this repository, as Build does.
func MustBuild(tb testing.TB, pkg string) string {
	tb.Helper()
	path, err := Build(pkg)
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// MustWriteFile writes a file below the test's temporary folder and returns its path.
func MustWriteFile(tb testing.TB, dir, name, text string) string {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Eventually polls until condition is true, at most for limit, and fails the test otherwise. describe is called once, at the end.
func Eventually(tb testing.TB, limit time.Duration, condition func() bool, describe func() string) {
	tb.Helper()
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; !condition(); pause = min(2*pause, 100*time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %s: %s", limit, describe())
		}
		select {
		case <-tb.Context().Done():
			tb.Fatalf("the test ended before: %s", describe())
		case <-time.After(pause):
		}
	}
}
