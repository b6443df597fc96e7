package application

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/internal/lambdaemu"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

// callerEnv is the env of a caller whose results are taken from a channel.
func callerEnv() (node.CallerEnv, chan core.Result) {
	results := make(chan core.Result, 10_000)
	return node.CallerEnv{
		Window: func(int) {}, Now: func() core.Millis { return core.Millis(time.Now().UnixMilli()) },
		Check: func(*core.Invocation, *core.Response) error { return nil },
		Deliver: func(rs []core.Result) {
			for _, r := range rs {
				results <- r
			}
		},
	}, results
}

// groupCases are endpoints that take groups: with one address, and with one for each function.
func groupCases(url string) map[string]string {
	return map[string]string{
		"one": fmt.Sprintf(`
kind: io.stateway.endpoints.v1/knative
spec:
  functions: test/*
  urlPathTemplate: %s
`, url),
		"many": fmt.Sprintf(`
kind: io.statefun.endpoints.v2/http
spec:
  functions: test/*
  urlPathTemplate: %s/{function.name}
  batch: cloudevents
  group: {maxItems: 10}
`, url),
	}
}

// An endpoint that takes groups calls its functions, through one dispatcher or one for each address.
func TestGroupEndpoints(t *testing.T) {
	app := stateway.New()
	var mu sync.Mutex
	called := map[string]int{}
	for _, name := range []string{"a", "b"} {
		app.Function(stateway.FunctionType("test/"+name), func(ctx *stateway.Context, _ stateway.Message) error {
			mu.Lock()
			defer mu.Unlock()
			called[name]++
			return nil
		})
	}
	server := httptest.NewServer(app)
	defer server.Close()
	for name, text := range groupCases(server.URL) {
		t.Run(name, func(t *testing.T) {
			parts, err := Parts(parse(t, module.Options{Embedded: true}, text), Options{Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			env, results := callerEnv()
			c, err := parts.Endpoints[0].Open(env)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			const n = 200
			for i := range n {
				inv := &core.Invocation{
					Try: core.TryID{N: uint64(i)}, Attempt: 1, //nolint:gosec // small
					Target:   core.Address{Type: core.FunctionType("test/" + []string{"a", "b"}[i%2]), ID: fmt.Sprint(i)},
					Messages: []*core.Message{{Arg: value(t, 1)}},
				}
				c.Submit([]*core.Invocation{inv})
			}
			for range n {
				if r := <-results; r.Outcome.Class != core.OutcomeOK {
					t.Errorf("%s: %+v", r.Invocation.Target, r.Outcome)
				}
			}
			if st := c.(interface{ Stats() endpoint.Stats }).Stats(); st.Groups.Items != n || st.Groups.Groups == 0 || st.Groups.Bytes == 0 {
				t.Errorf("%+v", st)
			}
			mu.Lock()
			defer mu.Unlock()
			if called["a"] != n/2 || called["b"] != n/2 {
				t.Errorf("called %v", called)
			}
			clear(called)
		})
	}
}

// What is wrong with an endpoint's files shows when it is opened, also where addresses are found later.
func TestGroupEndpointsWithoutFiles(t *testing.T) {
	for name, text := range groupCases("https://127.0.0.1:1") {
		text += "  transport: {trust_cacerts: /nowhere/ca.pem}\n"
		parts, err := Parts(parse(t, module.Options{Embedded: true}, text), Options{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		env, _ := callerEnv()
		if _, err := parts.Endpoints[0].Open(env); err == nil || !strings.Contains(err.Error(), "/nowhere/ca.pem") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What a module says of groups reaches their dispatcher.
func TestGroupSettings(t *testing.T) {
	app := parse(t, module.Options{Embedded: true}, `
kind: io.stateway.endpoints.v1/knative
spec:
  functions: test/a
  urlPathTemplate: http://a/
  group: {maxItems: 7, maxBytes: 5000, concurrency: 9, linger: 20ms, target: 300ms, ramp: 3, rampEvery: 2s, price: {request: 3, gbSecond: 8, memoryMB: 256}}
`)
	o := newGroupOptions(&app.Endpoints[0], core.Retry{Initial: 5})
	if o.price != (endpoint.Price{Request: 3, Second: 2}) {
		t.Errorf("price %+v", o.price)
	}
	got := o.groups
	if got.Size != nil || got.MaxItems != 7 || got.MaxBytes != 5000 || got.Concurrency != 9 || got.Linger != 20 || got.Target != 300 ||
		got.Ramp != 3 || got.RampEvery != 2000 || got.Retry.Initial != 5 {
		t.Errorf("%+v", got)
	}
}

// What is larger than a group should be travels alone. Only Lambda says how large a request may be.
func TestLargeInvocationsTravelAlone(t *testing.T) {
	app := stateway.New()
	for _, name := range []stateway.FunctionType{"test/a", "pay/card"} {
		app.Function(name, func(*stateway.Context, stateway.Message) error { return nil })
	}
	server := httptest.NewServer(app)
	defer server.Close()
	emu, err := lambdaemu.New(lambdaemu.Config{Functions: []lambdaemu.Function{{Name: "f", Handler: app.Lambda().Invoke}}})
	if err != nil {
		t.Fatal(err)
	}
	defer emu.Close()
	aws := httptest.NewServer(emu)
	defer aws.Close()
	modules := map[core.FunctionType]string{
		"test/a": strings.ReplaceAll(groupCases(server.URL)["many"], "maxItems: 10", "maxBytes: 2000"),
		"pay/card": fmt.Sprintf(`
kind: io.stateway.endpoints.v1/lambda
spec:
  functions: pay/card
  function: f
  group: {maxBytes: 2000}
  requestMaxBytes: 50000
  awsRegion: {type: custom-endpoint, id: us-east-1, endpoint: %q}
  awsCredentials: {type: basic, accessKeyId: AK, secretAccessKey: SK}
`, aws.URL),
	}
	for to, text := range modules {
		c, results := opened(t, text)
		for _, size := range []int{10_000, 100_000} {
			noise := make([]byte, size)
			_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
			arg, err := stateway.Bytes.Of(noise).AppendTypedValue(nil)
			if err != nil {
				t.Fatal(err)
			}
			c.Submit([]*core.Invocation{{Attempt: 1, Target: core.Address{Type: to, ID: "x"}, Messages: []*core.Message{{Arg: arg}}}})
			o := (<-results).Outcome
			switch fits := to == "test/a" || size == 10_000; {
			case fits && o.Class != core.OutcomeOK:
				t.Errorf("%s, %d bytes: %+v", to, size, o)
			case !fits && (!o.Final || !strings.Contains(o.Reason, "a payload has at most 50000")):
				t.Errorf("%s, %d bytes: %+v", to, size, o)
			}
		}
		c.Close()
	}
}

// opened opens the only endpoint of a module.
func opened(t *testing.T, text string) (node.Caller, chan core.Result) {
	t.Helper()
	parts, err := Parts(parse(t, module.Options{Embedded: true}, text), Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	env, results := callerEnv()
	c, err := parts.Endpoints[0].Open(env)
	if err != nil {
		t.Fatal(err)
	}
	return c, results
}
