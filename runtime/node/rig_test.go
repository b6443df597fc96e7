package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/application"
	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	outside "github.com/stateway/stateway/runtime/egress/memory"
	"github.com/stateway/stateway/runtime/ingress"
	source "github.com/stateway/stateway/runtime/ingress/memory"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

// patience bounds the wait for a condition; it is met long before.
const patience = 90 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an application with its outside: what stays when nodes come and go.
type rig struct {
	t      *testing.T
	config node.Config
	parts  node.Parts
}

// newRig makes a rig of functions in Go, with a folder for data and bucket, small enough to restart often.
func newRig(t *testing.T, functions *stateway.App, modules ...string) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, config: node.Config{
		Data: filepath.Join(dir, "data"), Bucket: openBucket(t, filepath.Join(dir, "bucket"), dirbucket.Options{}),
		Application: "test", Shards: 4, Workers: 2, CheckpointEvery: 5 * time.Millisecond, Lease: 40 * time.Millisecond,
		Memory: 32 << 20, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}}
	embedded := application.Functions{App: functions}
	opts := module.Options{Embedded: true, Functions: embedded.Types()}
	var sources []module.Source
	for i, text := range modules {
		sources = append(sources, module.Source{Name: fmt.Sprintf("module-%d.yaml", i), Data: []byte(text)})
	}
	app, _, err := module.Parse(opts, sources...)
	if err != nil {
		t.Fatal(err)
	}
	r.parts, err = application.Parts(app, application.Options{Workers: r.config.Workers, Functions: embedded, Log: r.config.Log})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func openBucket(t *testing.T, dir string, opt dirbucket.Options) checkpoint.Bucket {
	t.Helper()
	b, err := dirbucket.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reads adds an ingress that reads a log in memory.
func (r *rig) reads(id string, log *source.Log) {
	r.parts.Ingresses = append(r.parts.Ingresses, node.Ingress{ID: id, Open: func() (ingress.Ingress, error) { return source.Open(log), nil }})
}

// publishes adds an egress that writes to w after commits.
func (r *rig) publishes(name string, w *outside.World) {
	r.parts.Egresses = append(r.parts.Egresses, node.Egress{
		Core: core.Egress{Name: name, AfterCommit: true},
		Open: func(core.ApplicationID, int) (egress.Egress, error) { return outside.OpenPublisher(w), nil },
	})
}

// emits adds an egress that writes to w at once.
func (r *rig) emits(name string, w *outside.World) {
	r.parts.Egresses = append(r.parts.Egresses, node.Egress{
		Core: core.Egress{Name: name},
		Open: func(core.ApplicationID, int) (egress.Egress, error) { return outside.OpenEmitter(w), nil },
	})
}

// running is a node that runs.
type running struct {
	*node.Node
	t      *testing.T
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // of Run; set when ended is closed
}

// make makes a node; the changes are to its own copy of the config.
func (r *rig) make(changes ...func(*node.Config)) *node.Node {
	r.t.Helper()
	cfg := r.config
	cfg.Parts = r.parts
	for _, change := range changes {
		change(&cfg)
	}
	n, err := node.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// start runs a node until the test ends it, or the test ends.
func (r *rig) start(changes ...func(*node.Config)) *running {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	x := &running{Node: r.make(changes...), t: r.t, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(x.ended)
		x.err = x.Run(ctx)
	}()
	r.t.Cleanup(x.kill)
	return x
}

// ready waits until the node serves.
func (x *running) ready() *running {
	x.t.Helper()
	x.eventually("the node is ready", func() bool { return x.Waiting() == "" })
	return x
}

// halt ends the node as SIGTERM does.
func (x *running) halt() {
	x.t.Helper()
	x.cancel()
	if err := x.wait(); err != nil {
		x.t.Fatalf("halt: %v", err)
	}
}

// kill ends the node without any farewell.
func (x *running) kill() {
	for {
		if !x.Kill() && x.Nonce() == "" {
			x.cancel() // it has no reign yet
		}
		select {
		case <-x.ended:
			x.cancel()
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// wait waits for the end of Run and returns what it returned.
func (x *running) wait() error {
	x.t.Helper()
	select {
	case <-x.ended:
	case <-time.After(patience):
		x.t.Fatal("the node does not end")
	}
	return x.err
}

// eventually polls until the condition holds, the node ends or patience does.
func (x *running) eventually(what string, holds func() bool) {
	x.t.Helper()
	for began := time.Now(); ; {
		look := time.Now()
		if holds() {
			return
		}
		time.Sleep(max(time.Millisecond, 4*time.Since(look))) // who looks at large values leaves the node most of the time
		select {
		case <-x.ended:
			x.t.Fatalf("while waiting until %s: the node ended: %v", what, x.err)
		default:
		}
		if time.Since(began) > patience {
			x.t.Fatalf("it is not so after %s that %s (node waits for: %q)", patience, what, x.Waiting())
		}
	}
}

// metric is the sum of a metric over its labels; zero if there is none.
func (x *running) metric(name string) float64 {
	x.t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(x.Node)
	families, err := r.Gather()
	if err != nil {
		x.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// number reads a state that holds an int64; zero if there is none yet.
func (x *running) number(typ, id, state string) int64 {
	x.t.Helper()
	states, _, err := x.State(core.Address{Type: core.FunctionType(typ), ID: id})
	if errors.Is(err, node.ErrNotLeading) {
		return -1 // being restored
	}
	if err != nil {
		x.t.Fatal(err)
	}
	for _, s := range states {
		if s.Name != state || s.Value == nil {
			continue
		}
		m, err := stateway.ParseTypedValue(s.Value)
		if err != nil {
			x.t.Fatal(err)
		}
		n, err := stateway.Int64.Read(m)
		if err != nil {
			x.t.Fatal(err)
		}
		return n
	}
	return 0
}

// bucketDir is the folder of the bucket.
func (r *rig) bucketDir() string { return filepath.Join(filepath.Dir(r.config.Data), "bucket") }

// without is which endpoint serves a function type, but for one.
func without(p node.Parts, gone core.FunctionType) func(core.FunctionType) (core.EndpointID, bool) {
	return func(t core.FunctionType) (core.EndpointID, bool) {
		if t == gone {
			return 0, false
		}
		return p.EndpointOf(t)
	}
}
