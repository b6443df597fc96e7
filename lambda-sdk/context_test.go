package stateway_test

import (
	"strings"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

func TestInvalidEffectsFailTheInvocation(t *testing.T) {
	good := stateway.Int64.Of(1)
	bad := stateway.JSON[chan int]("a/b").Of(nil)
	to := stateway.FunctionType("a/other").At("x")
	declared := stateway.Value[string]("declared")
	other := stateway.Value[int32]("other")
	cases := []struct {
		name string
		do   func(*stateway.Context)
		want string
	}{
		{"no target", func(c *stateway.Context) { c.Send(stateway.Address{}, good) }, `send: target "/": function type "" is not of the form`},
		{"a target without namespace", func(c *stateway.Context) { c.Send(stateway.FunctionType("x").At("1"), good) }, "not of the form namespace/name"},
		{"an id that is not UTF-8", func(c *stateway.Context) { c.Send(stateway.FunctionType("a/b").At("\xff"), good) }, "id is not UTF-8"},
		{"a payload with an error", func(c *stateway.Context) { c.Send(to, bad) }, "send to a/other/x: encode a/b"},
		{"a zero payload", func(c *stateway.Context) { c.Send(to, stateway.Payload{}) }, "empty payload"},
		{"a negative delay", func(c *stateway.Context) { c.SendAfter(-1, to, good) }, "the delay -1ns is negative"},
		{"a delayed payload with an error", func(c *stateway.Context) { c.SendAfter(1, to, bad) }, "delayed send to a/other/x"},
		{"an empty token", func(c *stateway.Context) { c.SendAfterWithToken(1, "", to, good) }, "token must not be empty"},
		{"a token that is not UTF-8", func(c *stateway.Context) { c.SendAfterWithToken(1, "\xff", to, good) }, "not UTF-8"},
		{"a cancellation without token", func(c *stateway.Context) { c.Cancel("") }, "cancel: a cancellation token must not be empty"},
		{"an egress without namespace", func(c *stateway.Context) { c.Egress("kafka", good) }, `egress id "kafka"`},
		{"a record with an error", func(c *stateway.Context) { c.Egress("a/kafka", stateway.KafkaRecord("", "", good)) }, "egress a/kafka: a Kafka record needs a topic"},
		{"a value that does not encode", func(c *stateway.Context) { declared.Set(c, "\xff") }, `state "declared": encode`},
		{"a write to what is not declared", func(c *stateway.Context) { other.Set(c, 1) }, `state "other" is not declared by a/b`},
		{"a removal of what is not declared", func(c *stateway.Context) { other.Clear(c) }, "is not declared"},
		{"the first of two", func(c *stateway.Context) { c.Cancel(""); c.Send(to, bad) }, "cancel:"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			app := stateway.New()
			app.Function("a/b", func(ctx *stateway.Context, _ stateway.Message) error {
				c.do(ctx)
				return nil
			}, declared)
			err := statewaytest.New(t, app, stateway.FunctionType("a/b").At("1")).DeliverError(good)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestReadsThatFail(t *testing.T) {
	number := stateway.Value[int64]("v")
	other := stateway.Value[int64]("other")
	var got error
	app := stateway.New()
	app.Function("a/b", func(ctx *stateway.Context, _ stateway.Message) error {
		_, got = number.Get(ctx)
		if got == nil {
			_, got = other.Get(ctx)
		}
		return nil
	}, number)
	cases := []struct {
		name, stored, want string
	}{
		{"bytes that do not decode", "\x0a\x16io.statefun.types/long\x10\x01\x1a\x01\x09", `state "v": decode io.statefun.types/long`},
		{"another type", "\x0a\x15io.statefun.types/int\x10\x01", `state "v" holds a io.statefun.types/int, but is declared as io.statefun.types/long`},
		{"not declared", "", `state "other" is not declared by a/b`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := app.Run(t.Context(), &stateway.Batch{
				Target:   stateway.FunctionType("a/b").At("1"),
				State:    []stateway.StateEntry{{Name: "gone", Value: []byte{}}, {Name: "v", Value: []byte(c.stored)}},
				Messages: make([]stateway.Inbound, 1),
			}, new(stateway.Effects))
			if err != nil || got == nil || !strings.Contains(got.Error(), c.want) {
				t.Errorf("got %v (run: %v), want %q", got, err, c.want)
			}
		})
	}
}

func TestMalformedStateAndArgumentsAreErrors(t *testing.T) {
	v := stateway.Value[int64]("v")
	app := stateway.New()
	app.Function("a/b", nothing, v)
	batch := stateway.Batch{Target: stateway.FunctionType("a/b").At("1"), State: []stateway.StateEntry{{Name: "v", Value: []byte{0x0a}}}}
	if err := app.Run(t.Context(), &batch, new(stateway.Effects)); err == nil || !strings.Contains(err.Error(), `state "v": read typed value`) {
		t.Errorf("state: %v", err)
	}
	batch.State[0].Value = nil
	batch.Messages = []stateway.Inbound{{Argument: []byte{0x0a, 1, 0xff}}}
	if err := app.Run(t.Context(), &batch, new(stateway.Effects)); err == nil || !strings.Contains(err.Error(), "message 1 of 1: read typed value") {
		t.Errorf("argument: %v", err)
	}
}

func TestDelaysAreRoundedUpToMilliseconds(t *testing.T) {
	app := stateway.New()
	app.Function("a/b", func(ctx *stateway.Context, msg stateway.Message) error {
		ctx.SendAfter(1, ctx.Self(), msg.Payload())
		ctx.SendAfter(0, ctx.Self(), msg.Payload())
		ctx.SendAfter(2*time.Millisecond, ctx.Self(), msg.Payload())
		return nil
	})
	e := statewaytest.New(t, app, stateway.FunctionType("a/b").At("1")).Deliver(stateway.RawPayload("any/type", []byte("x")))
	for i, want := range []time.Duration{time.Millisecond, 0, 2 * time.Millisecond} {
		if e.Delayed[i].After != want || e.Delayed[i].Message.String() != `any/type("x")` {
			t.Errorf("delayed %d: %+v, want after %s", i, e.Delayed[i], want)
		}
	}
}

func TestAValueThatComesAndGoesInABatchIsNoMutation(t *testing.T) {
	v := stateway.Value[int64]("v")
	app := stateway.New()
	app.Function("a/b", func(ctx *stateway.Context, _ stateway.Message) error {
		v.Set(ctx, 1)
		v.Clear(ctx)
		return nil
	}, v)
	var out stateway.Effects
	batch := stateway.Batch{Target: stateway.FunctionType("a/b").At("1"), State: []stateway.StateEntry{{Name: "v"}}, Messages: make([]stateway.Inbound, 1)}
	if err := app.Run(t.Context(), &batch, &out); err != nil || len(out.Mutations) != 0 {
		t.Errorf("mutations %v, error %v", out.Mutations, err)
	}
}

func TestAContextEndsWithItsBatch(t *testing.T) {
	var kept *stateway.Context
	app := stateway.New()
	app.Function("a/b", func(ctx *stateway.Context, _ stateway.Message) error {
		kept = ctx
		return nil
	})
	statewaytest.New(t, app, stateway.FunctionType("a/b").At("1")).Deliver(stateway.Bool.Of(true))
	defer func() {
		if recover() == nil {
			t.Error("the Context still works")
		}
	}()
	kept.Send(kept.Self(), stateway.Bool.Of(true))
}

// A large answer and a small one after it come from the same pooled memory.
func TestEffectsStayWholeWhenTheirMemoryGrows(t *testing.T) {
	app := stateway.New()
	app.Function("a/b", func(ctx *stateway.Context, _ stateway.Message) error {
		for i := range int64(500) {
			ctx.Send(stateway.FunctionType("a/c").At("x"), stateway.Int64.Of(i))
		}
		return nil
	})
	inst := statewaytest.New(t, app, stateway.FunctionType("a/b").At("1"))
	for i, sent := range inst.Deliver(stateway.Bool.Of(true)).Sent {
		if got := statewaytest.Read(inst, stateway.Int64, sent.Message); got != int64(i) {
			t.Fatalf("message %d holds %d", i, got)
		}
	}
}
