package application

import (
	"strings"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/module"
)

func parse(t *testing.T, opts module.Options, text string) *module.Application {
	t.Helper()
	app, _, err := module.Parse(opts, module.Source{Name: "m.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

const shop = `
kind: io.statefun.endpoints.v2/http
spec:
  functions: shop/*
  urlPathTemplate: http://127.0.0.1:1/{function.name}
  maxNumBatchRequests: 9
  onFailure: deadLetter
  deadLetter: {egress: shop/letters}
---
kind: io.statefun.endpoints.v2/http
spec:
  functions: shop/cart
  urlPathTemplate: http://127.0.0.1:1/cart
---
kind: io.stateway.generator.v1/ingress
spec:
  id: shop/in
  ids: {prefix: user-, count: 10}
  value: sequence
  targets: [shop/cart, shop/stock]
---
kind: io.stateway.discard.v1/egress
spec:
  id: shop/letters
`

func TestParts(t *testing.T) {
	parts, err := Parts(parse(t, module.Options{}, shop), Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(parts.Endpoints) != 2 || len(parts.Ingresses) != 1 || len(parts.Egresses) != 1 {
		t.Fatalf("got %d endpoints, %d ingresses, %d egresses", len(parts.Endpoints), len(parts.Ingresses), len(parts.Egresses))
	}
	cart, ok := parts.EndpointOf("shop/cart")
	rest, ok2 := parts.EndpointOf("shop/stock")
	if !ok || !ok2 || cart == rest {
		t.Errorf("shop/cart is served by %d (%t), shop/stock by %d (%t)", cart, ok, rest, ok2)
	}
	for _, none := range []core.FunctionType{"other/cart", "shop", "", "shop/a/b"} {
		if _, ok := parts.EndpointOf(none); ok {
			t.Errorf("somebody serves %q", none)
		}
	}
	e := parts.Endpoints[rest].Core
	if e.MaxBatch != 9 || e.OnFailure != core.DeadLetter || parts.Egresses[e.DeadLetter].Core.Name != "shop/letters" {
		t.Errorf("endpoint %+v", e)
	}
	for _, in := range parts.Ingresses {
		opened, err := in.Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Kinds without a driver are refused, all at once.
func TestNoDriver(t *testing.T) {
	app := parse(t, module.Options{Embedded: true}, `
kind: io.statefun.kafka.v1/egress
spec:
  id: shop/receipts
  address: 127.0.0.1:1
  deliverySemantic: {type: at-least-once}
---
kind: io.statefun.kafka.v1/egress
spec:
  id: shop/others
  address: 127.0.0.1:1
  deliverySemantic: {type: at-least-once}
`)
	_, err := Parts(app, Options{Workers: 1})
	if err == nil || !strings.Contains(err.Error(), "shop/receipts") || !strings.Contains(err.Error(), "shop/others") {
		t.Errorf("got %v", err)
	}
}

// The fingerprint tells modules apart.
func TestFingerprint(t *testing.T) {
	a := Fingerprint(parse(t, module.Options{}, shop))
	b := Fingerprint(parse(t, module.Options{}, shop))
	c := Fingerprint(parse(t, module.Options{}, strings.Replace(shop, "shop/in", "shop/out", 1)))
	if a != b || a == c {
		t.Errorf("fingerprints %x, %x, %x", a, b, c)
	}
}

// A program whose module has embedded functions that it did not register is told so.
func TestNotRegistered(t *testing.T) {
	app := parse(t, module.Options{Embedded: true, Functions: []string{"shop/cart"}}, "kind: io.stateway.discard.v1/egress\nspec:\n  id: shop/out\n")
	if _, err := Parts(app, Options{Workers: 1}); err == nil || !strings.Contains(err.Error(), "shop/cart") {
		t.Errorf("got %v", err)
	}
	if got := (Functions{}).Types(); got != nil {
		t.Errorf("types of no functions: %v", got)
	}
	functions := stateway.New()
	functions.Function("shop/cart", func(*stateway.Context, stateway.Message) error { return nil })
	if _, err := Parts(app, Options{Workers: 1, Functions: Functions{App: functions}}); err != nil {
		t.Error(err)
	}
}
