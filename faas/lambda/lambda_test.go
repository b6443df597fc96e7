package lambda_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/faas/group"
	"github.com/stateway/stateway/faas/lambda"
	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/internal/lambdaemu"
	stateway "github.com/stateway/stateway/lambda-sdk"
	protocol "github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/runtime/core"
)

// world is a function, Lambda around it, and the transport to it.
type world struct {
	tb      testing.TB
	emu     *lambdaemu.Emulator
	t       *lambda.Transport
	results chan endpoint.GroupResult

	mu    sync.Mutex
	faces []protocol.Encoding // of the payloads that the function got
}

// app is a function with some habits.
func app() *stateway.App {
	a := stateway.New()
	a.Function("test/echo", func(ctx *stateway.Context, msg stateway.Message) error {
		ctx.Send(ctx.Self(), msg.Payload())
		return nil
	})
	a.Function("test/fails", func(*stateway.Context, stateway.Message) error { return errors.New("no") })
	a.Function("test/large", func(ctx *stateway.Context, _ stateway.Message) error {
		ctx.Send(ctx.Self(), stateway.Bytes.Of(noise(7<<20)))
		return nil
	})
	return a
}

// start starts a world. Before, if set, is asked before the function.
func start(t testing.TB, f lambdaemu.Function, fault func(string, uint64) lambdaemu.Fault, change ...func(*lambda.Config)) *world {
	t.Helper()
	w := &world{tb: t, results: make(chan endpoint.GroupResult, 100)}
	handler := f.Handler
	if handler == nil {
		handler = app().Lambda().Invoke
	}
	f.Name = "f"
	f.Handler = func(ctx context.Context, payload []byte) ([]byte, error) {
		enc, _ := protocol.OfPayload(payload)
		w.mu.Lock()
		w.faces = append(w.faces, enc)
		w.mu.Unlock()
		return handler(ctx, payload)
	}
	var err error
	if w.emu, err = lambdaemu.New(lambdaemu.Config{Functions: []lambdaemu.Function{f}, Fault: fault}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.emu)
	cfg := lambda.Config{Client: client(t, server.URL), Function: "f:live", Asker: group.Asker{Source: "stateway:test", Call: 20 * time.Second}}
	for _, c := range change {
		c(&cfg)
	}
	w.t, err = lambda.New(cfg, func(rs []endpoint.GroupResult) {
		for _, r := range rs {
			w.results <- r
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.t.Close()
		server.CloseClientConnections()
		server.Close()
		w.emu.Close()
	})
	return w
}

func client(t testing.TB, url string) *lambda.Client {
	t.Helper()
	c, err := lambda.NewClient(t.Context(), awsclient.Options{
		Region: "eu-central-1", Endpoint: url, Credentials: awsclient.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

func (w *world) seen() []protocol.Encoding {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faces
}

// ask sends a group of invocations and returns what became of it.
func (w *world) ask(invs ...*core.Invocation) core.GroupOutcome {
	w.tb.Helper()
	w.t.Send([]*core.Group{{N: 1, Items: invs}})
	return (<-w.results).Outcome
}

var tries atomic.Uint64

// call is an invocation of the function test/name with a message of some size.
func call(t testing.TB, name string, text []byte) *core.Invocation {
	t.Helper()
	arg, err := stateway.Bytes.Of(text).AppendTypedValue(nil)
	if err != nil {
		t.Fatal(err)
	}
	n := tries.Add(1)
	return &core.Invocation{
		Try: core.TryID{Generation: 1, Nonce: 2, Worker: 3, N: n}, Attempt: 1,
		Target: core.Address{Type: core.FunctionType("test/" + name), ID: fmt.Sprint(n)}, Messages: []*core.Message{{Arg: arg}},
	}
}

// noise cannot be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func TestGroupsAreAnswered(t *testing.T) {
	w := start(t, lambdaemu.Function{}, nil)
	for range 2 {
		o := w.ask(call(t, "echo", []byte("a")), call(t, "fails", nil), call(t, "echo", []byte("b")))
		if o.Class != core.GroupAnswered || len(o.Items) != 3 {
			t.Fatalf("%+v", o)
		}
		if r := o.Items[0].Response; r == nil || len(r.Messages) != 1 || o.Items[2].Response == nil {
			t.Errorf("%+v", o.Items)
		}
		if i := o.Items[1]; i.Class != core.OutcomeFailed || !strings.Contains(i.Reason, "no") {
			t.Errorf("%+v", i)
		}
	}
	if got := w.seen(); len(got) != 2 || got[0] != protocol.JSON || got[1] != protocol.Packed {
		t.Errorf("encodings: %v", got)
	}
}

func TestErrorsAndTheirClasses(t *testing.T) {
	refused := func(status int, code string) lambdaemu.Fault {
		return lambdaemu.Fault{Status: status, Code: code, Message: "as asked"}
	}
	fails := func(err error) lambdaemu.Handler {
		return func(context.Context, []byte) ([]byte, error) { return nil, err }
	}
	answers := func(text string) lambdaemu.Handler {
		return func(context.Context, []byte) ([]byte, error) { return []byte(text), nil }
	}
	throttle := lambdaemu.Fault{Status: 429, Code: "TooManyRequestsException", Message: "Rate Exceeded.", Reason: "CallerRateLimitExceeded", RetryAfter: "3"}
	cases := []struct {
		name    string
		fault   lambdaemu.Fault
		handler lambdaemu.Handler
		want    core.GroupOutcome // Reason is a part of it
	}{
		{"throttled", throttle, nil, core.GroupOutcome{Class: core.GroupTrouble, Throttled: true, RetryAfter: 3000, Reason: "TooManyRequestsException (CallerRateLimitExceeded): Rate Exceeded."}},
		{"EC2 throttles", refused(502, "EC2ThrottledException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Throttled: true, Reason: "EC2Throttled"}},
		{"not ready", refused(502, "ResourceNotReadyException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "ResourceNotReady"}},
		{"no network interface", refused(502, "ENILimitReachedException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "ENILimit"}},
		{"no file system", refused(408, "EFSMountTimeoutException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "EFSMount"}},
		{"KMS", refused(502, "KMSAccessDeniedException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "lambda:InvokeFunction"}},
		{"KMS throttles", refused(502, "KMSThrottlingException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Throttled: true, Reason: "KMSThrottling"}},
		{"no addresses left", refused(502, "SubnetIPAddressLimitReachedException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "SubnetIP"}},
		{"a broken deployment", refused(502, "InvalidRuntimeException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "InvalidRuntime"}},
		{"restoring a snapshot", refused(409, "SnapStartNotReadyException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "SnapStart"}},
		{"being changed", refused(409, "ResourceConflictException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "ResourceConflict"}},
		{"a loop", refused(400, "RecursiveInvocationException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "Recursive"}},
		{"Lambda's own", refused(500, "ServiceException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "ServiceException"}},
		{"a proxy", lambdaemu.Fault{Status: 503}, nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "lambda f:live: "}},
		{"no such function", refused(404, "ResourceNotFoundException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "deploy the function"}},
		{"not allowed", refused(403, "AccessDeniedException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "lambda:InvokeFunction"}},
		{"unknown keys", refused(403, "UnrecognizedClientException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "UnrecognizedClient"}},
		{"a bad parameter", refused(400, "InvalidParameterValueException"), nil, core.GroupOutcome{Class: core.GroupTrouble, Reason: "configuration"}},
		{"a bad payload", refused(400, "InvalidRequestContentException"), nil, core.GroupOutcome{Class: core.GroupFailed, Reason: "InvalidRequestContent"}},
		{"a large payload", refused(413, "RequestTooLargeException"), nil, core.GroupOutcome{Class: core.GroupTooLarge, Reason: "RequestTooLarge"}},
		{"a large payload, by a proxy", lambdaemu.Fault{Status: 413}, nil, core.GroupOutcome{Class: core.GroupTooLarge, Reason: "lambda f:live: "}},
		{"a lost answer", lambdaemu.Fault{Lose: true}, nil, core.GroupOutcome{Class: core.GroupFailed, Reason: "EOF"}},
		{"an exception", lambdaemu.Fault{}, fails(errors.New("no")), core.GroupOutcome{Class: core.GroupFailed, Reason: "function error Unhandled: errorString: no"}},
		{"an exit", lambdaemu.Fault{}, fails(&lambdaemu.Exit{Reason: "exit status 1"}), core.GroupOutcome{Class: core.GroupFailed, Reason: "Runtime.ExitError: RequestId: "}},
		{"out of memory", lambdaemu.Fault{}, fails(&lambdaemu.Exit{Type: "Runtime.OutOfMemory", Reason: "signal: killed"}), core.GroupOutcome{Class: core.GroupFailed, Reason: "signal: killed"}},
		{"a large answer", lambdaemu.Fault{}, answers(strings.Repeat("x", lambdaemu.MaxPayload+1)), core.GroupOutcome{Class: core.GroupTooLarge, Reason: "Function.ResponseSizeTooLarge"}},
		{"an adapter without server", lambdaemu.Fault{}, fails(&lambdaemu.Exit{Type: "Stateway.ServerNotReady", Reason: "x"}), core.GroupOutcome{Class: core.GroupTrouble, Reason: "ServerNotReady"}},
		{"no group", lambdaemu.Fault{}, answers(`{"statusCode":200}`), core.GroupOutcome{Class: core.GroupFailed, Reason: "no group"}},
		{"nothing", lambdaemu.Fault{}, answers(``), core.GroupOutcome{Class: core.GroupFailed, Reason: "it is empty"}},
		{"half a group", lambdaemu.Fault{}, answers(`[{"id":`), core.GroupOutcome{Class: core.GroupFailed, Reason: "malformed group"}},
	}
	for _, c := range cases {
		w := start(t, lambdaemu.Function{Handler: c.handler}, func(string, uint64) lambdaemu.Fault { return c.fault })
		o := w.ask(call(t, "echo", nil), call(t, "echo", nil))
		if o.Class != c.want.Class || o.Throttled != c.want.Throttled || o.RetryAfter != c.want.RetryAfter || !strings.Contains(o.Reason, c.want.Reason) {
			t.Errorf("%s: got %+v", c.name, o)
		}
	}
}

// A function that takes too long fails its group, which is then halved; it is no trouble of Lambda's.
func TestAFunctionOutOfTime(t *testing.T) {
	release := make(chan struct{})
	w := start(t, lambdaemu.Function{Timeout: 100 * time.Millisecond, Handler: func(context.Context, []byte) ([]byte, error) {
		<-release
		return nil, nil
	}}, nil)
	defer close(release)
	if o := w.ask(call(t, "echo", nil), call(t, "echo", nil)); o.Class != core.GroupFailed || !strings.Contains(o.Reason, "Sandbox.Timedout: RequestId: ") {
		t.Errorf("%+v", o)
	}
}

func TestAFunctionThatForgotThePackedEncoding(t *testing.T) {
	current := app().Lambda().Invoke
	var old atomic.Bool
	w := start(t, lambdaemu.Function{Handler: func(ctx context.Context, payload []byte) ([]byte, error) {
		if old.Load() && payload[0] != '[' {
			return nil, errors.New("no list")
		}
		return current(ctx, payload)
	}}, nil)
	w.ask(call(t, "echo", nil))
	w.ask(call(t, "echo", nil))
	old.Store(true)
	if o := w.ask(call(t, "echo", nil)); o.Class != core.GroupAnswered {
		t.Errorf("%+v", o)
	}
	if got := w.seen(); len(got) != 4 || got[2] != protocol.Packed || got[3] != protocol.JSON {
		t.Errorf("encodings: %v", got)
	}
}

func TestAPoisonGroupIsNotAskedTwiceForLong(t *testing.T) {
	good := app().Lambda().Invoke
	var broken atomic.Bool
	w := start(t, lambdaemu.Function{Handler: func(ctx context.Context, payload []byte) ([]byte, error) {
		if broken.Load() {
			return nil, errors.New("as asked")
		}
		return good(ctx, payload)
	}}, nil)
	w.ask(call(t, "echo", nil))
	for range 5 {
		broken.Store(true)
		if o := w.ask(call(t, "echo", nil)); o.Class != core.GroupFailed {
			t.Errorf("%+v", o)
		}
		broken.Store(false)
		w.ask(call(t, "echo", nil))
	}
	// JSON and its announcement; packed, JSON, JSON; then each time packed, packed
	if got := len(w.seen()); got != 1+3+4*2 {
		t.Errorf("%d requests: %v", got, w.seen())
	}
}

func TestWhatDoesNotFitCostsNoRequest(t *testing.T) {
	w := start(t, lambdaemu.Function{}, nil, func(c *lambda.Config) { c.MaxRequest = 100_000 })
	if o := w.ask(call(t, "echo", noise(50_000)), call(t, "echo", noise(50_000))); o.Class != core.GroupTooLarge || len(w.seen()) != 0 {
		t.Errorf("a group: %+v", o)
	}
	if o := w.ask(call(t, "echo", noise(100_000))); o.Class != core.GroupTooLarge || !strings.Contains(o.Reason, "1 messages with their state take") || len(w.seen()) != 0 {
		t.Errorf("an item: %+v", o)
	}
	if o := w.ask(call(t, "echo", make([]byte, 200_000))); o.Class != core.GroupAnswered || w.seen()[0] != protocol.Packed {
		t.Errorf("an item that fits when it is packed: %+v", o)
	}
	if o := w.ask(call(t, "echo", make([]byte, 60_000)), call(t, "echo", make([]byte, 60_000)), call(t, "echo", make([]byte, 60_000))); o.Class != core.GroupAnswered {
		t.Errorf("a group that fits when it is packed: %+v", o)
	}
}

func TestAnswersBeyondTheLimit(t *testing.T) {
	w := start(t, lambdaemu.Function{}, nil, func(c *lambda.Config) { c.MaxResponse = 1000 })
	if o := w.ask(call(t, "echo", noise(2000))); o.Class != core.GroupTooLarge || !strings.Contains(o.Reason, "at most 1000") {
		t.Errorf("%+v", o)
	}
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body) // a server that answers sooner may lose its connection
		for piece := make([]byte, 1<<20); ; {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	done := make(chan endpoint.GroupResult, 1)
	tr, err := lambda.New(lambda.Config{Client: client(t, endless.URL), Function: "f"}, func(rs []endpoint.GroupResult) { done <- rs[0] })
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	tr.Send([]*core.Group{{Items: []*core.Invocation{call(t, "echo", nil)}}})
	if r := <-done; r.Outcome.Class != core.GroupTooLarge || !strings.Contains(r.Outcome.Reason, "more bytes than") {
		t.Errorf("%+v", r.Outcome)
	}
	w = start(t, lambdaemu.Function{Timeout: time.Minute}, nil)
	if o := w.ask(call(t, "large", nil)); o.Class != core.GroupAnswered || o.Items[0].Class != core.OutcomeFailed || !strings.Contains(o.Items[0].Reason, "bytes") {
		t.Errorf("the SDK says itself what is too large: %+v", o)
	}
}

// What is answered before the request was read to its end is an answer as any other.
func TestAnswersBeforeTheEndOfTheRequest(t *testing.T) {
	hasty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex() // else the rest is read before the answer is written
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(w, `{"Reason":"CallerRateLimitExceeded"}`)
	}))
	defer hasty.Close()
	done := make(chan endpoint.GroupResult, 1)
	tr, err := lambda.New(lambda.Config{Client: client(t, hasty.URL), Function: "f"}, func(rs []endpoint.GroupResult) { done <- rs[0] })
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for range 5 {
		tr.Send([]*core.Group{{Items: []*core.Invocation{call(t, "echo", noise(3<<20))}}})
		if o := (<-done).Outcome; !o.Throttled || o.RetryAfter != 3000 || !strings.Contains(o.Reason, "CallerRateLimitExceeded") {
			t.Errorf("%+v", o)
		}
	}
}

func TestBudgets(t *testing.T) {
	release := make(chan struct{})
	w := start(t, lambdaemu.Function{Timeout: time.Minute, Handler: func(context.Context, []byte) ([]byte, error) {
		<-release
		return []byte("[]"), nil
	}}, nil, func(c *lambda.Config) { c.Way = 500 * time.Millisecond }) // for a slow machine to send it
	defer close(release)
	inv := call(t, "echo", nil)
	inv.Budget = 20
	if o := w.ask(inv); o.Class != core.GroupFailed || !strings.Contains(o.Reason, "no answer within the call budget of 20ms") {
		t.Errorf("%+v", o)
	}
	if s := w.emu.Stats("f"); s.Working != 1 {
		t.Errorf("the given-up try does not run on: %+v", s)
	}
}

func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	done := make(chan endpoint.GroupResult, 1)
	for name, c := range map[string]*lambda.Client{"refused": client(t, server.URL), "no credentials": withoutCredentials(t)} {
		tr, err := lambda.New(lambda.Config{Client: c, Function: "f"}, func(rs []endpoint.GroupResult) { done <- rs[0] })
		if err != nil {
			t.Fatal(err)
		}
		tr.Send([]*core.Group{{Items: []*core.Invocation{call(t, "echo", nil)}}})
		if r := <-done; r.Outcome.Class != core.GroupTrouble || r.Outcome.Throttled {
			t.Errorf("%s: %+v", name, r.Outcome)
		}
		tr.Close()
	}
}

func withoutCredentials(t *testing.T) *lambda.Client {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	c, err := lambda.NewClient(t.Context(), awsclient.Options{Region: "eu-central-1", Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		close(asked)
		<-req.Context().Done()
	}))
	defer server.Close()
	tr, err := lambda.New(lambda.Config{Client: client(t, server.URL), Function: "f"}, func([]endpoint.GroupResult) { t.Error("a result") })
	if err != nil {
		t.Fatal(err)
	}
	tr.Send([]*core.Group{{Items: []*core.Invocation{call(t, "echo", nil)}}})
	<-asked
	tr.Close()
}

func TestWrongConfigs(t *testing.T) {
	if _, err := lambda.New(lambda.Config{}, nil); err == nil || !strings.Contains(err.Error(), "client: is not set") || !strings.Contains(err.Error(), "function: is not set") {
		t.Error(err)
	}
}
