package application

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
)

var (
	seen = stateway.Value[int64]("seen")
	gone = stateway.Value[string]("gone")
)

// value is an int64 as it travels.
func value(t testing.TB, v int64) core.Value {
	t.Helper()
	b, err := stateway.Int64.Of(v).AppendTypedValue(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// number reads what value made.
func number(t *testing.T, v core.Value) int64 {
	t.Helper()
	m, err := stateway.ParseTypedValue(v)
	if err != nil {
		t.Fatal(err)
	}
	n, err := stateway.Int64.Read(m)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func invocation(t testing.TB, args ...int64) *core.Invocation {
	inv := &core.Invocation{
		Target: core.Address{Type: "test/all", ID: "a"},
		States: []core.NamedValue{{Name: "seen", Value: value(t, 7)}, {Name: "gone"}},
	}
	for _, v := range args {
		inv.Messages = append(inv.Messages, &core.Message{
			Target: inv.Target, Caller: core.Address{Type: "test/caller", ID: "c"}, Arg: value(t, v),
		})
	}
	return inv
}

// everything does each thing that a function can do.
func everything(ctx *stateway.Context, msg stateway.Message) error {
	v, err := stateway.Int64.Read(msg)
	if err != nil {
		return err
	}
	if v < 0 {
		return errors.New("negative")
	}
	n, err := seen.Get(ctx)
	if err != nil {
		return err
	}
	seen.Set(ctx, n+v)
	gone.Clear(ctx)
	caller, _ := ctx.Caller()
	ctx.Send(caller, stateway.Int64.Of(n))
	ctx.SendAfterWithToken(time.Second, "token", ctx.Self(), stateway.Int64.Of(v))
	ctx.Cancel("other")
	ctx.Egress("test/out", stateway.Int64.Of(v))
	return nil
}

func newFunction() *sdkFunction {
	app := stateway.New()
	app.Function("test/all", everything, seen, gone)
	return &sdkFunction{app: app}
}

// An answer holds all effects, and stays as it is when the function runs again in the same memory.
func TestEmbeddedEffects(t *testing.T) {
	f := newFunction()
	first := f.Invoke(context.Background(), invocation(t, 1, 2))
	second := f.Invoke(context.Background(), invocation(t, 100))
	for _, c := range []struct {
		name    string
		outcome core.Outcome
		sum     int64
		egress  []int64
	}{{"first", first, 10, []int64{1, 2}}, {"second", second, 107, []int64{100}}} {
		r := c.outcome.Response
		if c.outcome.Class != core.OutcomeOK || r == nil || r.Incomplete {
			t.Fatalf("%s: %+v", c.name, c.outcome)
		}
		if len(r.Messages) != len(c.egress) || r.Messages[0].Target != (core.Address{Type: "test/caller", ID: "c"}) || number(t, r.Messages[0].Arg) != 7 {
			t.Errorf("%s: messages %+v", c.name, r.Messages)
		}
		if len(r.Delayed) != 2*len(c.egress) || r.Delayed[0].Token != "token" || r.Delayed[0].Delay != 1000 || !r.Delayed[1].Cancel {
			t.Errorf("%s: delayed %+v", c.name, r.Delayed)
		}
		if len(r.Egresses) != len(c.egress) {
			t.Fatalf("%s: records %+v", c.name, r.Egresses)
		}
		for i, want := range c.egress {
			if e := r.Egresses[i]; e.Egress != "test/out" || e.Typename != "io.statefun.types/long" || number(t, e.Arg) != want {
				t.Errorf("%s: record %d: %+v", c.name, i, e)
			}
		}
		found := map[string]core.Mutation{}
		for _, m := range r.Mutations {
			found[m.Name] = m
		}
		if m := found["seen"]; m.Delete || number(t, m.Value) != c.sum {
			t.Errorf("%s: seen %+v", c.name, m)
		}
	}
}

// What the type declares and the batch lacks is asked for, and nothing runs.
func TestEmbeddedMissingStates(t *testing.T) {
	inv := invocation(t, 1)
	inv.States = nil
	out := newFunction().Invoke(context.Background(), inv)
	if r := out.Response; r == nil || !r.Incomplete || len(r.Missing) != 2 || r.Missing[0].Name != "seen" || len(r.Egresses) > 0 {
		t.Errorf("got %+v", out.Response)
	}
}

// A batch with a message that fails has no effects.
func TestEmbeddedFailure(t *testing.T) {
	out := newFunction().Invoke(context.Background(), invocation(t, 1, -1))
	if out.Class != core.OutcomeFailed || out.Response != nil || !strings.Contains(out.Reason, "negative") {
		t.Errorf("got %+v", out)
	}
}

// BenchmarkEmbedded is what one invocation of a counter costs between the endpoint and the function.
func BenchmarkEmbedded(b *testing.B) {
	app := stateway.New()
	app.Function("test/all", func(ctx *stateway.Context, msg stateway.Message) error {
		n, err := seen.Get(ctx)
		seen.Set(ctx, n+1)
		ctx.Egress("test/out", msg.Payload())
		return err
	}, seen)
	f, inv := &sdkFunction{app: app}, invocation(b, 1)
	inv.States = inv.States[:1]
	b.ReportAllocs()
	for b.Loop() {
		if out := f.Invoke(b.Context(), inv); out.Response == nil {
			b.Fatal(out.Reason)
		}
	}
}
