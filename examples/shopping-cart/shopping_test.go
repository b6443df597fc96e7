package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/examples/stage"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

// TestREADME sends the requests of the README and of StateFun's playground, and looks at answers and state.
func TestREADME(t *testing.T) {
	port := harness.MustPort(t)
	functions := harness.MustStart(t, harness.Spec{
		Name: "functions", Path: harness.MustBuild(t, "./examples/shopping-cart"), Args: []string{"-expiry", "300ms"}, Env: []string{"PORT=" + strconv.Itoa(port)},
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := functions.WaitOutput(ctx, "listening"); err != nil {
		t.Fatal(err)
	}
	s, err := stage.Open("", "shopping-cart", port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	put := func(function, id, typ, body string) {
		t.Helper()
		m := harness.Message{Function: "com.example/" + function, ID: id, Type: "com.example/" + typ, Body: []byte(body)}
		if err := s.Ingress.Put(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	awaitState := func(function core.FunctionType, id, name, want string) {
		t.Helper()
		state := func() string {
			got, err := s.Admin.State(ctx, core.Address{Type: function, ID: id}, name)
			if err != nil {
				return err.Error()
			}
			return string(got.States[0].Value)
		}
		harness.Eventually(t, 20*time.Second, func() bool { return state() == want }, func() string {
			return name + " of " + id + " is " + state() + ", want " + want
		})
	}

	put("stock", "socks", "RestockItem", `{"itemId": "socks", "quantity": 50}`)
	put("user-shopping-cart", "1", "AddToCart", `{"userId": "1", "quantity": 3, "itemId": "socks"}`)
	put("user-shopping-cart", "1", "Checkout", `{"userId": "1"}`)
	receipt, err := s.Await(ctx, "receipts")
	if want := `{"userId":"1","order":1,"items":{"socks":3}}`; err != nil || receipt != want {
		t.Errorf("got receipt %s, %v, want %s", receipt, err, want)
	}
	awaitState("com.example/stock", "socks", "available", "47")

	put("user-shopping-cart", "2", "AddToCart", `{"userId": "2", "quantity": 40, "itemId": "socks"}`)
	awaitState("com.example/user-shopping-cart", "2", "customer", `{"orders":1,"open":{}}`) // the cart expired
	awaitState("com.example/stock", "socks", "available", "47")

	put("user-shopping-cart", "2", "ClearCart", `{"userId": "2"}`)
	put("user-shopping-cart", "2", "AddToCart", `{"userId": "2", "quantity": 48, "itemId": "socks"}`)
	put("user-shopping-cart", "2", "Checkout", `{"userId": "2"}`)
	receipt, err = s.Await(ctx, "receipts")
	if want := `{"userId":"2","order":3,"items":{}}`; err != nil || receipt != want {
		t.Errorf("got receipt %s, %v, want %s, because 48 are not in stock", receipt, err, want)
	}
}

func TestDemo(t *testing.T) {
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := harness.CommandOutput(ctx, harness.MustBuild(t, "./examples/shopping-cart/demo"),
		"-stateway", binary, "-orders", "200")
	t.Logf("the demo said:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kill -9", "OK: 200 orders, 200 receipts, each exactly once; all 1200 items add up."} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
}
