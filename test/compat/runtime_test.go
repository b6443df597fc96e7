package compat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// node is the system under test: a node on free ports.
type node struct {
	config      harness.NodeConfig
	process     *harness.Node
	ingress     harness.Ingress
	egress      harness.Egress
	recordsPath string
	deadPath    string
}

const moduleFile = `kind: io.statefun.endpoints.v2/http
spec:
  functions: compat/*
  urlPathTemplate: %[1]s
  transport: {type: io.statefun.transports.v1/async, call: 1min}
  retry: {initial: 10ms, max: 100ms}
---
kind: io.statefun.endpoints.v2/http
spec:
  functions: compat/poison
  urlPathTemplate: %[1]s
  retry: {initial: 5ms, max: 20ms, maxAttempts: 3}
  onFailure: deadLetter
  deadLetter: {egress: compat/dead}
---
kind: io.statefun.playground.v1/ingress
spec: {port: %[2]d}
---
kind: io.statefun.playground.v1/egress
spec: {port: %[3]d, topics: [results, more]}
---
kind: io.stateway.file.v1/egress
spec: {id: compat/records, path: %[4]q}
---
kind: io.stateway.file.v1/egress
spec: {id: compat/dead, path: %[5]q}
`

func startRuntime(t *testing.T, functions string) *node {
	t.Helper()
	dir := t.TempDir()
	in, out := harness.MustPort(t), harness.MustPort(t)
	n := &node{
		ingress:     harness.Ingress{URL: "http://" + harness.Loopback(in)},
		egress:      harness.Egress{URL: "http://" + harness.Loopback(out)},
		recordsPath: filepath.Join(dir, "records.jsonl"),
		deadPath:    filepath.Join(dir, "dead.jsonl"),
	}
	module := harness.MustWriteFile(t, dir, "module.yaml", fmt.Sprintf(moduleFile, functions, in, out, n.recordsPath, n.deadPath))
	n.config = harness.NodeConfig{
		Modules: []string{module}, Data: filepath.Join(dir, "data"), Bucket: filepath.Join(dir, "bucket"),
		Shards: 16, Workers: 2, Every: time.Second, Lease: 500 * time.Millisecond,
	}
	n.process = harness.MustStartNode(t, n.config)
	n.process.MustReady(t)
	return n
}

func (n *node) put(ctx context.Context, function, id, command, event string) error {
	return n.ingress.PutUntilTaken(ctx, harness.Message{
		Function: function, ID: id, Type: "compat/Command", Body: []byte(command), Source: "compat", EventID: event,
	})
}

func (n *node) take(ctx context.Context, topic string) (string, bool, error) {
	return n.egress.Take(ctx, topic)
}

func (n *node) records() ([]harness.FileRecord, error) { return harness.ReadFileRecords(n.recordsPath) }

func (n *node) deadLetters() ([]string, error) {
	text, err := os.ReadFile(n.deadPath)
	if errors.Is(err, fs.ErrNotExist) || len(text) == 0 {
		return nil, nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), err
}

// checkRestart kills the node and looks for a state in the one that takes its place, with an empty data directory the second time.
func checkRestart(t *testing.T, n *node) {
	s := newSession(t, n)
	s.results.allowRepeats()
	s.put("compat/actor", "restart", "set label kept\nadd 7")
	for round, label := range []string{"restart-1", "restart-2"} {
		n.process.Kill()
		if round == 1 {
			if err := os.RemoveAll(n.config.Data); err != nil {
				t.Fatal(err)
			}
		}
		n.process = harness.MustStartNode(t, n.config)
		n.process.MustReady(t)
		s.put("compat/actor", "restart", "add 1\ndump "+label)
		line := s.await(label)
		s.expectStates(line, fmt.Sprintf("count=%d label=kept", 8+round))
	}
	if err := n.process.Stop(20 * time.Second); err != nil {
		t.Error(err)
	}
}
