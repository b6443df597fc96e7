// Package compat runs function servers made with the published SDKs against the runtime. README.md describes the functions.
package compat

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

// system is what carries messages to the functions: the runtime, or the model of it.
type system interface {
	// put hands over a command as from an ingress and returns when it can no longer be lost. A repeat of event is dropped;
	// an empty one has no repeats.
	put(ctx context.Context, function, id, command, event string) error
	// take takes one record from a playground topic.
	take(ctx context.Context, topic string) (payload string, ok bool, err error)
	// records returns what has reached the egress compat/records so far.
	records() ([]harness.FileRecord, error)
	// deadLetters returns the text of what has reached the egress compat/dead so far, one entry a record.
	deadLetters() ([]string, error)
}

// TestServersDirectly runs the scenarios without the runtime: what fails here is not the runtime's fault.
func TestServersDirectly(t *testing.T) {
	for _, l := range chosen(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			url := l.start(t)
			t.Run("handshake", func(t *testing.T) { checkHandshake(t, l, url) })
			runScenarios(t, l, newModel(t, url))
		})
	}
}

// TestRuntime runs the same scenarios through the real binary.
func TestRuntime(t *testing.T) {
	for _, l := range chosen(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			n := startRuntime(t, l.start(t))
			runScenarios(t, l, n)
			t.Run("survives kill -9", func(t *testing.T) { checkRestart(t, n) })
		})
	}
}

func TestModuleFileIsValid(t *testing.T) {
	text := fmt.Sprintf(moduleFile, "http://127.0.0.1:8000/statefun", 8090, 8091, "/tmp/a", "/tmp/b")
	if _, _, err := module.Parse(module.Options{Strict: true}, module.Source{Name: "module.yaml", Data: []byte(text)}); err != nil {
		t.Error(err)
	}
}
