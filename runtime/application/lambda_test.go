package application

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/internal/lambdaemu"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

const onLambda = `
kind: io.stateway.endpoints.v1/lambda
spec:
  functions: shop/*
  function: shop-{function.name}:live
  awsRegion: {type: custom-endpoint, id: us-east-1, endpoint: "${URL}"}
  awsCredentials: {type: basic, accessKeyId: AK, secretAccessKey: SK}
---
kind: io.stateway.endpoints.v1/lambda
spec:
  functions: pay/card
  function: pay-{function.name}
  awsRegion: {type: custom-endpoint, id: us-east-1, endpoint: "${URL}"}
  awsCredentials: {type: basic, accessKeyId: AK, secretAccessKey: SK}
---
kind: io.stateway.generator.v1/ingress
spec: {id: shop/in, ids: {prefix: user-, count: 10}, value: sequence, targets: [shop/cart]}
`

// Each Lambda function that a template names is invoked for itself.
func TestFunctionsOnLambda(t *testing.T) {
	app := stateway.New()
	for _, name := range []stateway.FunctionType{"shop/cart", "shop/stock", "pay/card"} {
		app.Function(name, func(ctx *stateway.Context, msg stateway.Message) error {
			ctx.Send(ctx.Self(), msg.Payload())
			return nil
		})
	}
	var functions []lambdaemu.Function
	for _, name := range []string{"shop-cart", "shop-stock", "pay-card"} {
		functions = append(functions, lambdaemu.Function{Name: name, Handler: app.Lambda().Invoke})
	}
	emu, err := lambdaemu.New(lambdaemu.Config{Functions: functions})
	if err != nil {
		t.Fatal(err)
	}
	defer emu.Close()
	server := httptest.NewServer(emu)
	defer server.Close()
	parts, err := Parts(parse(t, module.Options{}, strings.ReplaceAll(onLambda, "${URL}", server.URL)), Options{Workers: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan core.Result, 10)
	env := node.CallerEnv{
		Deliver: func(rs []core.Result) {
			for _, r := range rs {
				results <- r
			}
		},
		Window: func(int) {}, Now: func() core.Millis { return core.Millis(time.Now().UnixMilli()) },
	}
	arg, err := stateway.String.Of("hello").AppendTypedValue(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts.Endpoints {
		targets := []core.FunctionType{"pay/card"}
		if part.Core.Name == "shop/*" {
			targets = []core.FunctionType{"shop/cart", "shop/stock", "shop/cart", "shop/no.name"}
		}
		caller, err := part.Open(env)
		if err != nil {
			t.Fatal(err)
		}
		var invs []*core.Invocation
		for n, to := range targets {
			invs = append(invs, &core.Invocation{
				Try: core.TryID{N: uint64(n)}, Attempt: 1, Target: core.Address{Type: to, ID: fmt.Sprint(n)}, Messages: []*core.Message{{Arg: arg}}, //nolint:gosec // small
			})
		}
		caller.Submit(invs)
		for range targets {
			r := <-results
			bad := r.Invocation.Target.Type == "shop/no.name"
			if bad != (r.Outcome.Class != core.OutcomeOK) || bad && !strings.Contains(r.Outcome.Reason, "name") {
				t.Errorf("%s: %+v", r.Invocation.Target.Type, r.Outcome)
			}
		}
		caller.Close()
	}
	for name, most := range map[string]uint64{"shop-cart": 2, "shop-stock": 1, "pay-card": 1} {
		if got := emu.Stats(name).Invocations; got < 1 || got > most {
			t.Errorf("%s was invoked %d times", name, got)
		}
	}
}

func TestALambdaEndpointWithoutRegionIsRefused(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	parts, err := Parts(parse(t, module.Options{}, "kind: io.stateway.endpoints.v1/lambda\nspec: {functions: a/b, function: f}\n"+
		"---\nkind: io.stateway.generator.v1/ingress\nspec: {id: a/in, ids: {prefix: u-, count: 1}, value: sequence, targets: [a/b]}\n"),
		Options{Workers: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	env := node.CallerEnv{Deliver: func([]core.Result) {}, Window: func(int) {}, Now: func() core.Millis { return 1 }}
	if _, err := parts.Endpoints[0].Open(env); err == nil || !strings.Contains(err.Error(), "a/b") || !strings.Contains(err.Error(), "region") {
		t.Error(err)
	}
}
