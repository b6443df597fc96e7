package stateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/wire"
)

// callOf is a call of the function test/<name> with one text as message.
func callOf(tb testing.TB, id, name, text string) group.Call {
	tb.Helper()
	argument, err := stateway.String.Of(text).AppendTypedValue(nil)
	if err != nil {
		tb.Fatal(err)
	}
	to := wire.ToFunction{Target: wire.Address{Namespace: "test", Type: name, ID: id}, Invocations: []wire.Invocation{{Argument: argument}}}
	to.Size()
	return group.Call{ID: id, Source: "stateway:test", Target: to.Target, Attempt: 1, Data: to.Append(nil)}
}

func encode(tb testing.TB, enc group.Encoding, calls ...group.Call) []byte {
	tb.Helper()
	var e group.Encoder
	e.Reset(enc, nil, 0)
	for i := range calls {
		if !e.AddCall(&calls[i]) {
			tb.Fatal("a call was refused")
		}
	}
	return e.Finish()
}

// decode returns the answers by id.
func decode(tb testing.TB, enc group.Encoding, b []byte) map[string]group.Answer {
	tb.Helper()
	list, err := group.ParseAnswers(enc, b, nil)
	if err != nil {
		tb.Fatalf("%v in %q", err, b)
	}
	answers := make(map[string]group.Answer)
	for _, a := range list {
		if _, twice := answers[a.ID]; twice || a.Kind == group.Invalid {
			tb.Errorf("%q is answered twice or invalid: %v", a.ID, a.Err)
		}
		answers[a.ID] = a
	}
	return answers
}

// sent is the text of the only message that an answer sends.
func sent(tb testing.TB, a group.Answer) string {
	tb.Helper()
	var from reqreply.FromFunction
	if err := proto.Unmarshal(a.Data, &from); err != nil || a.Kind != group.Result {
		tb.Fatalf("%v %s %q", err, a.Kind, a.Message)
	}
	messages := from.GetInvocationResult().GetOutgoingMessages()
	if len(messages) != 1 {
		tb.Fatalf("%d messages", len(messages))
	}
	msg, err := stateway.ParseTypedValue(must(proto.Marshal(messages[0].Argument)))
	if err != nil {
		tb.Fatal(err)
	}
	return must(stateway.String.Read(msg))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// groupApp has test/echo, which sends its message on, and functions that fail in all ways.
func groupApp(opts ...stateway.Option) *stateway.App {
	app := stateway.New(append(opts, stateway.WithLogger(slog.New(slog.DiscardHandler)))...)
	app.Function("test/echo", func(ctx *stateway.Context, msg stateway.Message) error {
		text, err := stateway.String.Read(msg)
		ctx.Send(ctx.Self(), stateway.String.Of(text+" from "+ctx.Self().ID))
		return err
	})
	app.Function("test/fails", func(*stateway.Context, stateway.Message) error { return errors.New("no") })
	app.Function("test/panics", func(*stateway.Context, stateway.Message) error { panic("oh") })
	app.Function("test/ends", func(*stateway.Context, stateway.Message) error { runtime.Goexit(); return nil })
	app.Function("test/hangs", func(ctx *stateway.Context, _ stateway.Message) error { <-ctx.Done(); return ctx.Err() })
	return app
}

func post(tb testing.TB, app http.Handler, contentType string, body []byte) *httptest.ResponseRecorder {
	tb.Helper()
	req := httptest.NewRequest("POST", "/", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	rec := httptest.NewRecorder()
	app.ServeHTTP(rec, req)
	return rec
}

func TestItemsSucceedAndFailAlone(t *testing.T) {
	for _, enc := range []group.Encoding{group.JSON, group.Protobuf} {
		t.Run(enc.String(), func(t *testing.T) {
			bad := callOf(t, "broken", "echo", "x")
			bad.Data = []byte("\xff")
			calls := []group.Call{
				callOf(t, "e1", "echo", "a"), callOf(t, "f", "fails", "b"), callOf(t, "p", "panics", "c"), bad,
				callOf(t, "g", "ends", "d"), callOf(t, "n", "nobody", "e"), callOf(t, "e2", "echo", "f"),
			}
			rec := post(t, groupApp(stateway.WithParallel(2)), enc.ContentType(), encode(t, enc, calls...))
			if rec.Code != 200 || rec.Header().Get("Content-Type") != enc.ContentType() {
				t.Fatalf("%d %s %s", rec.Code, rec.Header(), rec.Body)
			}
			answers := decode(t, enc, rec.Body.Bytes())
			for id, want := range map[string]string{"e1": "a from e1", "e2": "f from e2"} {
				if got := sent(t, answers[id]); got != want {
					t.Errorf("%s: got %q, want %q", id, got, want)
				}
			}
			for id, want := range map[string]string{
				"f": "invoke test/fails/f, message 1 of 1: no", "p": "panic: oh", "broken": "read ToFunction",
				"g": "ended its goroutine", "n": "unknown function type test/nobody",
			} {
				if a := answers[id]; a.Kind != group.Poison || !strings.Contains(a.Message, want) {
					t.Errorf("%s: got %s %q, want poison with %q", id, a.Kind, a.Message, want)
				}
			}
			if len(answers) != len(calls) {
				t.Errorf("%d answers to %d calls", len(answers), len(calls))
			}
		})
	}
}

func TestAnEventThatIsNoCallIsAnsweredIfItHasAnID(t *testing.T) {
	good := encode(t, group.JSON, callOf(t, "e", "echo", "a"))
	body := strings.TrimSuffix(string(good), "]") + `,{"specversion":"1.0","id":"x","source":"s","type":"other"},{"specversion":"1.0"}]`
	answers := decode(t, group.JSON, post(t, groupApp(), group.ContentTypeJSON, []byte(body)).Body.Bytes())
	if len(answers) != 2 || answers["e"].Kind != group.Result || answers["x"].Kind != group.Poison {
		t.Errorf("got %+v", answers)
	}
}

func TestGroupsOverHTTPAreChecked(t *testing.T) {
	cases := []struct {
		name, contentType, body string
		status                  int
	}{
		{"no items", "application/cloudevents-batch+json", "[]", 200},
		{"no items in protobuf", "application/cloudevents-batch+protobuf", "", 200},
		{"a charset", "application/cloudevents-batch+json; charset=utf-8", "[]", 200},
		{"an empty body", "application/cloudevents-batch+json", "", 400},
		{"no batch", "application/cloudevents-batch+json", "{}", 400},
		{"no protobuf", "application/cloudevents-batch+protobuf", "\xff", 400},
		{"a group that is too large", "application/cloudevents-batch+json", "[" + strings.Repeat(" ", 1000) + "]", 413},
		{"one event", "application/cloudevents+json", "{}", 415},
		{"another batch", "application/cloudevents-batch+avro", "x", 415},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rec := post(t, groupApp(stateway.WithMaxRequestBytes(1000)), c.contentType, []byte(c.body))
			if rec.Code != c.status {
				t.Errorf("got %d %q, want %d", rec.Code, rec.Body, c.status)
			}
		})
	}
}

func TestGroupsAreAnnouncedWithSuccess(t *testing.T) {
	want := group.Encodings(0).With(group.JSON).With(group.Protobuf)
	app := groupApp()
	plain, failing := callOf(t, "1", "echo", "a").Data, callOf(t, "1", "fails", "a").Data
	for name, rec := range map[string]*httptest.ResponseRecorder{
		"plain": post(t, app, "application/octet-stream", plain), "group": post(t, app, group.ContentTypeJSON, []byte("[]")),
	} {
		if got := group.ParseAnnouncement(rec.Header().Values(group.Header)...); got != want || rec.Code != 200 {
			t.Errorf("%s: %d announces %q", name, rec.Code, got)
		}
	}
	if rec := post(t, app, "application/octet-stream", failing); rec.Code != 500 || rec.Header().Get(group.Header) != "" {
		t.Errorf("a failure announces: %d %v", rec.Code, rec.Header())
	}
}

func TestNoMoreItemsRunAtATimeThanIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		app := groupApp(stateway.WithParallel(3))
		app.Function("test/slow", func(*stateway.Context, stateway.Message) error {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			return nil
		})
		var calls []group.Call
		for i := range 9 {
			calls = append(calls, callOf(t, fmt.Sprint(i), "slow", ""))
		}
		start := time.Now()
		answers := decode(t, group.JSON, post(t, app, group.ContentTypeJSON, encode(t, group.JSON, calls...)).Body.Bytes())
		if took := time.Since(start); most.Load() != 3 || took != 3*time.Second || len(answers) != 9 {
			t.Errorf("%d at a time, %s, %d answers", most.Load(), took, len(answers))
		}
	})
}

func TestItemsWithoutTimeAreAnsweredWithRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(2 * time.Hour) // until the deaf one has ended
		app := groupApp(stateway.WithParallel(2))
		app.Function("test/deaf", func(*stateway.Context, stateway.Message) error { time.Sleep(time.Hour); return nil })
		calls := []group.Call{
			callOf(t, "quick", "echo", "a"), callOf(t, "deaf", "deaf", ""), callOf(t, "hangs", "hangs", ""), callOf(t, "late", "echo", ""), callOf(t, "after", "echo", "b"),
		}
		for i, millis := range []int64{5000, 3000, 1000, 500, 5000} {
			calls[i].TimeoutMillis = millis
		}
		start := time.Now()
		answers := decode(t, group.Protobuf, post(t, app, group.ContentTypeProtobuf, encode(t, group.Protobuf, calls...)).Body.Bytes())
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("answered after %s, want the longest time of an item", took)
		}
		for id, want := range map[string]string{"deaf": "not finished: no time was left", "hangs": "deadline exceeded", "late": "not started: context deadline exceeded"} {
			if a := answers[id]; a.Kind != group.Retry || !strings.Contains(a.Message, want) {
				t.Errorf("%s: got %s %q, want retry with %q", id, a.Kind, a.Message, want)
			}
		}
		for id, want := range map[string]string{"quick": "a from quick", "after": "b from after"} {
			if got := sent(t, answers[id]); got != want {
				t.Errorf("%s: got %q, want %q", id, got, want)
			}
		}
	})
}

func TestNothingMoreIsStartedForAClientThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int32
		app := groupApp(stateway.WithParallel(1))
		app.Function("test/counted", func(*stateway.Context, stateway.Message) error {
			started.Add(1)
			time.Sleep(time.Second)
			return nil
		})
		calls := []group.Call{callOf(t, "1", "counted", ""), callOf(t, "2", "counted", ""), callOf(t, "3", "counted", "")}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		req := httptest.NewRequestWithContext(ctx, "POST", "/", bytes.NewReader(encode(t, group.JSON, calls...)))
		req.Header.Set("Content-Type", group.ContentTypeJSON)
		app.ServeHTTP(httptest.NewRecorder(), req)
		synctest.Wait()
		time.Sleep(time.Minute)
		if started.Load() != 2 {
			t.Errorf("%d were started, want 2", started.Load())
		}
	})
}

func TestGroupsOverAConnection(t *testing.T) {
	server := httptest.NewServer(groupApp())
	defer server.Close()
	var calls []group.Call
	for i := range 1000 {
		calls = append(calls, callOf(t, fmt.Sprint(i), "echo", strings.Repeat("x", i)))
	}
	for _, enc := range []group.Encoding{group.JSON, group.Protobuf} {
		resp, err := http.Post(server.URL, enc.ContentType(), bytes.NewReader(encode(t, enc, calls...)))
		if err != nil {
			t.Fatal(err)
		}
		answers := decode(t, enc, must(io.ReadAll(resp.Body)))
		resp.Body.Close()
		for i := range 1000 {
			id := fmt.Sprint(i)
			if got, want := sent(t, answers[id]), strings.Repeat("x", i)+" from "+id; got != want {
				t.Fatalf("%s: got %q, want %q", id, got, want)
			}
		}
	}
}

// Whatever arrives, the answer is a group that can be read, or an error.
func FuzzGroup(f *testing.F) {
	calls := []group.Call{callOf(f, "1", "echo", "a"), callOf(f, "2", "fails", "b"), callOf(f, "3", "panics", "")}
	f.Add(encode(f, group.JSON, calls...), true)
	f.Add(encode(f, group.Protobuf, calls...), false)
	app := groupApp(stateway.WithParallel(1))
	encodings := map[bool]group.Encoding{true: group.JSON, false: group.Protobuf}
	f.Fuzz(func(t *testing.T, body []byte, json bool) {
		enc := encodings[json]
		if bytes.Contains(body, []byte("hangs")) {
			return
		}
		rec := post(t, app, enc.ContentType(), body)
		if rec.Code == 400 {
			return
		}
		if answers, err := group.ParseAnswers(enc, rec.Body.Bytes(), nil); err != nil || rec.Code != 200 {
			t.Fatalf("%d, %d answers, %v", rec.Code, len(answers), err)
		}
	})
}
