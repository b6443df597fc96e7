package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// bench holds what all rows share.
type bench struct {
	settings
	root string // the repository's top folder
	dir  string // a temporary folder, removed by close
	runs int    // rows so far, to name their folders
	row  string // the name of the one that is measured
}

func newBench(s settings) (*bench, error) {
	b := &bench{settings: s}
	var err error
	if b.root, err = harness.Root(); err != nil {
		return nil, err
	}
	if b.binary == "" {
		if b.binary, err = harness.Build("./cmd/cluster", b.profiled()); err != nil {
			return nil, err
		}
	}
	if b.dir, err = os.MkdirTemp("", "stateway-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder for the bench: %w", err)
	}
	return b, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) } // a leftover in the temporary folder hurts nobody

// startFunctions starts a function server of the bench and returns it with its URL.
func (b *bench) startFunctions(ctx context.Context, pkg string, flags ...string) (*harness.Process, string, error) {
	path, err := harness.Build(pkg)
	if err != nil {
		return nil, "", err
	}
	port, err := harness.FreePort()
	if err != nil {
		return nil, "", err
	}
	p, err := harness.Start(harness.Spec{Name: "functions", Path: path, Args: append([]string{"-listen", harness.Loopback(port)}, flags...)})
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := p.WaitOutput(ctx, "listening"); err != nil {
		p.Kill()
		return nil, "", err
	}
	return p, "http://" + harness.Loopback(port) + "/", nil
}

// nodeConfig says how to run a node for an application in a fresh folder, with shipped defaults.
func (b *bench) nodeConfig(a application) (harness.NodeConfig, error) {
	b.runs++
	dir := filepath.Join(b.dir, strconv.Itoa(b.runs))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return harness.NodeConfig{}, err
	}
	module := filepath.Join(dir, "module.yaml")
	if err := os.WriteFile(module, []byte(a.yaml()), 0o600); err != nil {
		return harness.NodeConfig{}, err
	}
	port, err := harness.FreePort()
	c := harness.NodeConfig{
		Binary: b.binary, Modules: []string{module}, Data: filepath.Join(dir, "data"), Bucket: filepath.Join(dir, "bucket"),
		Application: "bench", AdminPort: port,
	}
	if b.profiles != "" {
		c.Extra = []string{"--pprof"}
	}
	return c, err
}

// embeddedProgram is a Go program with the function inside. It takes the arguments of the stateway binary.
const embeddedProgram = "./bench/embedded"

// profiled is the flag with which make build builds the stateway binary.
func (b *bench) profiled() string {
	return "-pgo=" + filepath.Join(b.root, "cmd", "cluster", "cluster.pgo")
}

func (b *bench) buildEmbedded() (string, error) {
	if _, err := os.Stat(filepath.Join(b.root, embeddedProgram)); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is not there", embeddedProgram)
	}
	return harness.Build(embeddedProgram, b.profiled())
}

// startNode starts a node and waits until it is ready; it returns how long that took.
func startNode(ctx context.Context, c harness.NodeConfig) (*harness.Node, time.Duration, error) {
	start := time.Now()
	n, err := harness.StartNode(c)
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := n.WaitReady(ctx); err != nil {
		n.Kill()
		return nil, 0, err
	}
	return n, time.Since(start), nil
}
