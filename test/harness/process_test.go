package harness

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestProcess(t *testing.T) {
	shell := func(script string) *Process {
		return MustStart(t, Spec{Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"WORD=listening"}})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	t.Run("waits for output, and stops a process that ends on SIGTERM", func(t *testing.T) {
		p := shell(`trap 'exit 0' TERM; echo $WORD; while :; do sleep 0.01; done`)
		if err := p.WaitOutput(ctx, "listening"); err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		if p.Alive() {
			t.Error("alive after Stop")
		}
	})
	t.Run("says how a process ended that never wrote the text", func(t *testing.T) {
		p := shell("echo something else; exit 3")
		err := p.WaitOutput(ctx, "listening")
		if err == nil || !strings.Contains(err.Error(), "something else") {
			t.Errorf("got error %v", err)
		}
		if code := p.ExitCode(); code != 3 {
			t.Errorf("exit code %d, want 3", code)
		}
	})
	t.Run("kills what does not want to end", func(t *testing.T) {
		p := shell(`trap '' TERM; echo $WORD; while :; do sleep 0.01; done`)
		if err := p.WaitOutput(ctx, "listening"); err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(50 * time.Millisecond); err == nil {
			t.Error("no error for a process that ignores SIGTERM")
		}
		p.Kill()
	})
}

func TestFreePort(t *testing.T) {
	seen := map[int]bool{}
	for range 2 * blockSize {
		port := MustPort(t)
		if seen[port] {
			t.Fatalf("port %d twice", port)
		}
		seen[port] = true
	}
}
