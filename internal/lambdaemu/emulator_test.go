package lambdaemu_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateway/stateway/internal/lambdaemu"
)

// got is what an Invoke led to.
type got struct {
	status  int
	code    string // of the error of Lambda
	failed  string // X-Amz-Function-Error
	body    string
	aborted bool
}

// errorType is the type of a function error.
func (g got) errorType() string {
	var told struct{ ErrorType string }
	_ = json.Unmarshal([]byte(g.body), &told)
	return told.ErrorType
}

// emulate makes an emulator of one function, f.
func emulate(t testing.TB, f lambdaemu.Function, change ...func(*lambdaemu.Config)) *lambdaemu.Emulator {
	t.Helper()
	f.Name = "f"
	cfg := lambdaemu.Config{Functions: []lambdaemu.Function{f}}
	for _, c := range change {
		c(&cfg)
	}
	e, err := lambdaemu.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// invoke asks without a network.
func invoke(t testing.TB, e *lambdaemu.Emulator, name, payload string) (g got) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/2015-03-31/functions/"+name+"/invocations", strings.NewReader(payload))
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			err, _ := p.(error)
			g.aborted = errors.Is(err, http.ErrAbortHandler)
		}
	}()
	e.ServeHTTP(w, req)
	body, _ := io.ReadAll(w.Body)
	return got{status: w.Code, code: w.Header().Get("X-Amzn-Errortype"), failed: w.Header().Get("X-Amz-Function-Error"), body: string(body)}
}

func echo(_ context.Context, payload []byte) ([]byte, error) { return payload, nil }

func TestInvoke(t *testing.T) {
	e := emulate(t, lambdaemu.Function{Handler: echo})
	for _, name := range []string{"f", "f:live", "000000000000:function:f", "arn:aws:lambda:eu-central-1:123456789012:function:f:7"} {
		if g := invoke(t, e, name, `{"a":1}`); g.status != 200 || g.body != `{"a":1}` || g.failed != "" {
			t.Errorf("%s: %+v", name, g)
		}
	}
	if s := e.Stats("f"); s.Invocations != 4 || s.ColdStarts != 1 || s.Environments != 1 || s.Working != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRefusals(t *testing.T) {
	large := `"` + strings.Repeat("x", lambdaemu.MaxPayload) + `"`
	e := emulate(t, lambdaemu.Function{Handler: echo})
	closed := emulate(t, lambdaemu.Function{Handler: echo, Reserved: -1})
	cases := []struct {
		name, function, payload string
		e                       *lambdaemu.Emulator
		status                  int
		code, body              string
	}{
		{"nobody", "g", "{}", e, 404, "ResourceNotFoundException", "Function not found: arn:"},
		{"no JSON", "f", "{", e, 400, "InvalidRequestContentException", "parse"},
		{"too large", "f", large, e, 413, "RequestTooLargeException", "6291458 byte payload is too large"},
		{"none reserved", "f", "{}", closed, 429, "TooManyRequestsException", "ReservedFunctionConcurrentInvocationLimitExceeded"},
	}
	for _, c := range cases {
		if g := invoke(t, c.e, c.function, c.payload); g.status != c.status || g.code != c.code || !strings.Contains(g.body, c.body) {
			t.Errorf("%s: %d %s %.200s", c.name, g.status, g.code, g.body)
		}
	}
	if g := invoke(t, e, "f", large[2:]+`"`); g.status == 200 {
		t.Error("what ends like a text is taken for one")
	}
}

func TestFunctionErrors(t *testing.T) {
	cases := []struct {
		name    string
		handler lambdaemu.Handler
		kind    string
		text    string
		starts  uint64 // after another invocation
	}{
		{"an error", func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no") }, "errorString", "no", 1},
		{"a panic", func(context.Context, []byte) ([]byte, error) { panic(&lambdaemu.Exit{}) }, "Exit", "", 2},
		{"an exit", func(context.Context, []byte) ([]byte, error) { return nil, &lambdaemu.Exit{Reason: "signal: killed"} }, "Runtime.ExitError", "signal: killed", 2},
		{"a large answer", func(context.Context, []byte) ([]byte, error) { return make([]byte, lambdaemu.MaxPayload+1), nil }, "Function.ResponseSizeTooLarge", "6291457 bytes", 1},
	}
	for _, c := range cases {
		e := emulate(t, lambdaemu.Function{Handler: c.handler})
		g := invoke(t, e, "f", "{}")
		if g.status != 200 || g.failed != "Unhandled" || g.errorType() != c.kind || !strings.Contains(g.body, c.text) {
			t.Errorf("%s: %+v", c.name, g)
		}
		invoke(t, e, "f", "{}")
		if s := e.Stats("f"); s.ColdStarts != c.starts || s.Errors != 2 {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

func TestATimeOutLeavesTheHandlerRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran atomic.Int64
		e := emulate(t, lambdaemu.Function{Timeout: time.Second, Handler: func(context.Context, []byte) ([]byte, error) {
			time.Sleep(5 * time.Second)
			ran.Add(1)
			return []byte(`"late"`), nil
		}})
		began := time.Now()
		g := invoke(t, e, "f", "{}")
		if g.errorType() != "Sandbox.Timedout" || !strings.Contains(g.body, "Task timed out after 1.00 seconds") || time.Since(began) != time.Second {
			t.Errorf("%+v after %s", g, time.Since(began))
		}
		if g := invoke(t, e, "f", "{}"); g.failed == "" || e.Stats("f").ColdStarts != 2 {
			t.Errorf("%+v, %+v", g, e.Stats("f"))
		}
		time.Sleep(time.Minute)
		if s := e.Stats("f"); ran.Load() != 2 || s.TimedOut != 2 || s.Environments != 0 || s.Billed != 2*time.Second {
			t.Errorf("%d ran, %+v", ran.Load(), s)
		}
	})
}

// many asks n times at once, and counts the statuses.
func many(t *testing.T, e *lambdaemu.Emulator, n int) map[int]int {
	statuses := make(chan int, n)
	for range n {
		go func() { statuses <- invoke(t, e, "f", "{}").status }()
	}
	count := map[int]int{}
	for range n {
		count[<-statuses]++
	}
	return count
}

func TestConcurrencyAndRamp(t *testing.T) {
	slow := func(context.Context, []byte) ([]byte, error) { time.Sleep(time.Second); return []byte("1"), nil }
	synctest.Test(t, func(t *testing.T) {
		e := emulate(t, lambdaemu.Function{Handler: slow, Reserved: 3})
		if got := many(t, e, 5); got[200] != 3 || got[429] != 2 {
			t.Errorf("reserved: %v", got)
		}
		e = emulate(t, lambdaemu.Function{Handler: slow}, func(c *lambdaemu.Config) { c.Concurrency = 2 })
		if got := many(t, e, 5); got[200] != 2 || got[429] != 3 {
			t.Errorf("account: %v", got)
		}
		e = emulate(t, lambdaemu.Function{Handler: slow}, func(c *lambdaemu.Config) { c.Ramp = 4 })
		if got := many(t, e, 6); got[200] != 4 || e.Stats("f").Throttled != 2 {
			t.Errorf("at first: %v", got)
		}
		time.Sleep(4 * time.Second) // half of ten seconds have passed with the invocations
		if got := many(t, e, 10); got[200] != 6 {
			t.Errorf("after half of the ramp: %v", got)
		}
	})
}

func TestEnvironmentsAreReusedAndExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := emulate(t, lambdaemu.Function{Handler: echo, Idle: time.Minute, Start: 200 * time.Millisecond})
		began := time.Now()
		invoke(t, e, "f", "{}")
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("a cold start took %s", took)
		}
		time.Sleep(50 * time.Second)
		invoke(t, e, "f", "{}")
		time.Sleep(2 * time.Minute)
		if s := e.Stats("f"); s.ColdStarts != 1 || s.Environments != 0 || s.Init != 200*time.Millisecond {
			t.Errorf("%+v", s)
		}
		invoke(t, e, "f", "{}")
		if s := e.Stats("f"); s.ColdStarts != 2 || s.Environments != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		faults := []lambdaemu.Fault{
			{Status: 429, Code: "TooManyRequestsException", Message: "Rate Exceeded.", Reason: "CallerRateLimitExceeded", RetryAfter: "2"},
			{Lose: true},
			{Twice: true},
			{Wait: time.Second},
		}
		e := emulate(t, lambdaemu.Function{Handler: func(context.Context, []byte) ([]byte, error) {
			return fmt.Append(nil, runs.Add(1)), nil
		}}, func(c *lambdaemu.Config) { c.Fault = func(_ string, n uint64) lambdaemu.Fault { return faults[n-1] } })
		if g := invoke(t, e, "f", "{}"); g.status != 429 || !strings.Contains(g.body, "CallerRateLimitExceeded") || runs.Load() != 0 {
			t.Errorf("%+v", g)
		}
		if g := invoke(t, e, "f", "{}"); !g.aborted || runs.Load() != 1 {
			t.Errorf("%+v", g)
		}
		g := invoke(t, e, "f", "{}")
		synctest.Wait()
		if g.status != 200 || runs.Load() != 3 {
			t.Errorf("%+v, %d runs", g, runs.Load())
		}
		began := time.Now()
		if invoke(t, e, "f", "{}"); time.Since(began) != time.Second {
			t.Errorf("not held up: %s", time.Since(began))
		}
	})
}

func TestACallerThatLeavesDoesNotEndTheInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := emulate(t, lambdaemu.Function{Handler: func(context.Context, []byte) ([]byte, error) { time.Sleep(time.Second); return []byte("1"), nil }, Reserved: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/2015-03-31/functions/f/invocations", strings.NewReader("{}"))
		e.ServeHTTP(httptest.NewRecorder(), req)
		if g := invoke(t, e, "f", "{}"); g.status != 429 {
			t.Errorf("its environment does not work any more: %+v", g)
		}
		time.Sleep(time.Second)
		if g := invoke(t, e, "f", "{}"); g.status != 200 || e.Stats("f").ColdStarts != 1 {
			t.Errorf("%+v", g)
		}
	})
}

func TestOtherInvocationTypes(t *testing.T) {
	var ran atomic.Int64
	e := emulate(t, lambdaemu.Function{Handler: func(context.Context, []byte) ([]byte, error) { ran.Add(1); return nil, nil }})
	for kind, want := range map[string]int{"Event": 202, "DryRun": 204, "Other": 400} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/2015-03-31/functions/f/invocations", strings.NewReader("{}"))
		req.Header.Set("X-Amz-Invocation-Type", kind)
		w := httptest.NewRecorder()
		if e.ServeHTTP(w, req); w.Code != want {
			t.Errorf("%s: %d", kind, w.Code)
		}
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/2015-03-31/functions/", nil))
	if !bytes.Contains(w.Body.Bytes(), []byte(`"FunctionName":"f"`)) {
		t.Errorf("the list is %s", w.Body)
	}
}

func TestWrongConfigs(t *testing.T) {
	_, err := lambdaemu.New(lambdaemu.Config{Ramp: -1, Functions: []lambdaemu.Function{{}, {Name: "a", Handler: echo}, {Name: "a", Timeout: -1, Handler: echo}, {Name: "b"}}})
	for _, want := range []string{"no name", "a is there twice", "b: want either", "must not be negative", "ramp"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}
