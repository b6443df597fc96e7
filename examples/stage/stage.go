// Package stage sets up what the examples' demos and tests play on: functions behind HTTP, and a node with the example's module.yaml
// in a process of its own, on free ports and in a temporary folder.
//
// Always true: Close leaves no process behind. The module takes its ports from FUNCTIONS_PORT, INGRESS_PORT and EGRESS_PORT.
// A Stage belongs to one goroutine; its Ingress, Egress and Admin may be used by many.
package stage

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stateway/stateway/runtime/admin"
	"github.com/stateway/stateway/test/harness"
)

// Stage is a node and what speaks to it.
type Stage struct {
	Node    *harness.Node // replaced by Start
	Ingress harness.Ingress
	Egress  harness.Egress
	Admin   *admin.Client
	Dir     string // holds data and bucket
	Keep    bool   // Close leaves Dir

	config harness.NodeConfig
}

// Open prepares a node for an example; Start starts it. binary is the node's program, empty for one that is built now. The module
// is examples/EXAMPLE/module.yaml. functions is the loopback port of the function server.
func Open(binary, example string, functions int) (*Stage, error) {
	root, err := harness.Root()
	if err != nil {
		return nil, err
	}
	if binary == "" {
		if binary, err = harness.Binary(); err != nil {
			return nil, err
		}
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("find the node's program: %w; make build makes it", err)
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = harness.FreePort(); err != nil {
			return nil, err
		}
	}
	in, out, adminPort := ports[0], ports[1], ports[2]
	client, err := admin.NewClient(harness.Loopback(adminPort))
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "stateway-"+example+"-")
	if err != nil {
		return nil, err
	}
	return &Stage{
		Ingress: harness.Ingress{URL: "http://" + harness.Loopback(in)},
		Egress:  harness.Egress{URL: "http://" + harness.Loopback(out)},
		Admin:   client, Dir: dir,
		config: harness.NodeConfig{
			Binary: binary, Modules: []string{filepath.Join(root, "examples", example, "module.yaml")}, Application: example,
			Data: filepath.Join(dir, "data"), Bucket: filepath.Join(dir, "bucket"), AdminPort: adminPort,
			Env: []string{
				"FUNCTIONS_PORT=" + strconv.Itoa(functions), "INGRESS_PORT=" + strconv.Itoa(in), "EGRESS_PORT=" + strconv.Itoa(out),
			},
		},
	}, nil
}

// Setenv adds variables (NAME=value) to the node's environment, from its next start on.
func (s *Stage) Setenv(pairs ...string) { s.config.Env = append(s.config.Env, pairs...) }

// Start starts the node and waits until it serves. After Node.Kill or Node.Stop it starts it again, on the same folders.
func (s *Stage) Start(ctx context.Context) error {
	node, err := harness.StartNode(s.config)
	if err != nil {
		return err
	}
	s.Node = node
	return node.WaitReady(ctx)
}

// Await takes one record from a topic and waits until there is one.
func (s *Stage) Await(ctx context.Context, topic string) (string, error) {
	for {
		record, ok, err := s.Egress.Take(ctx, topic)
		if ok || err != nil {
			return record, err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for a record in topic %s: %w\n%s", topic, ctx.Err(), s.Node.Output())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Close kills the node and removes its folder.
func (s *Stage) Close() {
	if s.Node != nil {
		s.Node.Kill()
	}
	if s.Keep {
		return
	}
	if err := os.RemoveAll(s.Dir); err != nil {
		fmt.Fprintf(os.Stderr, "could not remove %s: %v\n", s.Dir, err)
	}
}

// Functions is a function server in this process.
type Functions struct {
	Port   int
	server *http.Server
}

// Serve serves functions on a free loopback port until Close.
func Serve(functions http.Handler) (*Functions, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: functions, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	return &Functions{Port: listener.Addr().(*net.TCPAddr).Port, server: server}, nil
}

// Close stops listening and closes the connections.
func (f *Functions) Close() { _ = f.server.Close() } // nobody waits for its answers any more
