package embed_test

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress/discard"
	"github.com/stateway/stateway/runtime/embed"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

const generator = `
kind: io.stateway.generator.v1/ingress
spec:
  id: test/in
  ids: {prefix: u, count: 10}
  count: 1000
  value: sequence
`

const discarding = `
kind: io.stateway.discard.v1/egress
spec:
  id: test/out
`

var total = stateway.Value[int64]("total")

// totals adds up what it gets.
func totals() *stateway.App {
	app := stateway.New()
	app.Function("test/total", func(ctx *stateway.Context, msg stateway.Message) error {
		v, err := stateway.Int64.Read(msg)
		if err != nil {
			return err
		}
		n, err := total.Get(ctx)
		total.Set(ctx, n+v)
		ctx.Egress("test/out", msg.Payload())
		return err
	}, total)
	return app
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// run runs a node until the condition holds, and halts it.
func run(t *testing.T, cfg embed.Config, until func(*node.Node) bool) {
	t.Helper()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	n, err := embed.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	for !until(n) {
		select {
		case err := <-ended:
			t.Fatalf("the node ended: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// stored is the total of an Address as it is stored.
func stored(t *testing.T, n *node.Node, id string) int64 { return storedBy(t, n, "test/total", id) }

// storedBy is the number that an Address has as its only state.
func storedBy(t *testing.T, n *node.Node, function core.FunctionType, id string) int64 {
	states, _, err := n.State(core.Address{Type: function, ID: id})
	if err != nil || len(states) == 0 || states[0].Value == nil {
		return 0
	}
	m, err := stateway.ParseTypedValue(states[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	v, err := stateway.Int64.Read(m)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A program with functions, routers and a module in memory serves, halts without a goroutine left, and goes on.
func TestRoutersDecide(t *testing.T) {
	var discarded *discard.Egress
	even := func(rec ingress.Record, out []*core.Message) ([]*core.Message, error) {
		if len(rec.Value) > 1 && rec.Value[1]%2 == 1 {
			return out, nil
		}
		return ingress.Targets("test/total")(ingress.Record{Key: "even", Typename: rec.Typename, Value: rec.Value}, out)
	}
	all := func(rec ingress.Record, out []*core.Message) ([]*core.Message, error) {
		return ingress.Targets("test/total")(ingress.Record{Key: "all", Typename: rec.Typename, Value: rec.Value}, out)
	}
	cfg := embed.Config{
		Functions: totals(), Dir: t.TempDir(), Shards: 4, CheckpointEvery: 5 * time.Millisecond, Log: quiet(),
		Modules:   []module.Source{{Name: "in", Data: []byte(generator)}, {Name: "out", Data: []byte(discarding)}},
		Routers:   map[string][]ingress.Router{"test/in": {even, all}},
		Discarded: func(_ string, e *discard.Egress) { discarded = e },
	}
	right := func(n *node.Node) bool {
		return stored(t, n, "all") == 999*1000/2 && stored(t, n, "even") == 998*500/2
	}
	run(t, cfg, right)
	if got := discarded.Snapshot().Records; got != 1500 {
		t.Errorf("%d records, want 1,500", got)
	}
	run(t, cfg, right)
	if got := discarded.Snapshot().Records; got != 0 {
		t.Errorf("%d records after a halt, want none", got)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*embed.Config)
		want   string
	}{
		"a router of no ingress": {func(c *embed.Config) {
			c.Routers = map[string][]ingress.Router{"test/other": {ingress.Targets("test/total")}}
		}, "no module declares that ingress"},
		"a router of no name": {func(c *embed.Config) {
			c.Routers = map[string][]ingress.Router{"other": {ingress.Targets("test/total")}}
		}, `router of ingress "other"`},
		"a module that is not there": {func(c *embed.Config) { c.Files = []string{filepath.Join(c.Dir, "none.yaml")} }, "none.yaml"},
		"a module that is wrong":     {func(c *embed.Config) { c.Modules[0].Data = []byte("kind: nothing/known\nspec: {}\n") }, "in:1"},
		"a name that is none":        {func(c *embed.Config) { c.Application = "no/name" }, "Application"},
		"a warning, if strict": {func(c *embed.Config) {
			c.Strict = true
			c.Modules[0].Data = append(c.Modules[0].Data, "  colour: red\n"...)
		}, "colour"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := embed.Config{
				Functions: totals(), Dir: t.TempDir(), Log: quiet(),
				Modules: []module.Source{{Name: "in", Data: []byte(generator)}, {Name: "out", Data: []byte(discarding)}},
			}
			c.change(&cfg)
			if _, err := embed.New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestTuneMemoryKnowsTheDefault(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	for memory, want := range map[int64]int64{0: 768 << 20, 64 << 20: 96 << 20} {
		embed.TuneMemory(memory)
		if got := debug.SetMemoryLimit(-1); got != want {
			t.Errorf("a node with %d bytes has a limit of %d, want %d", memory, got, want)
		}
	}
}
