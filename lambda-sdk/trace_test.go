package stateway_test

import (
	"bytes"
	"net/http/httptest"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
)

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// tracedApp has test/traced, which sends the trace context that it is given.
func tracedApp() *stateway.App {
	app := stateway.New()
	app.Function("test/traced", func(ctx *stateway.Context, _ stateway.Message) error {
		ctx.Send(ctx.Self(), stateway.String.Of("<"+ctx.Traceparent()+">"))
		return nil
	})
	return app
}

// A request has its trace context in a header. One that is not valid, or given twice, counts as none.
func TestTheTraceContextOfARequest(t *testing.T) {
	app := tracedApp()
	for _, c := range []struct {
		name   string
		header []string
		want   string
	}{
		{"none", nil, ""},
		{"one", []string{traceparent}, traceparent},
		{"none again", nil, ""},
		{"two", []string{traceparent, traceparent}, ""},
		{"not valid", []string{"hello"}, ""},
	} {
		req := httptest.NewRequest("POST", "/", bytes.NewReader(callOf(t, "1", "traced", "").Data))
		for _, v := range c.header {
			req.Header.Add("traceparent", v)
		}
		rec := httptest.NewRecorder()
		app.ServeHTTP(rec, req)
		if got := sent(t, group.Answer{Kind: group.Result, Data: rec.Body.Bytes()}); got != "<"+c.want+">" {
			t.Errorf("%s: got %s, want %q", c.name, got, c.want)
		}
	}
}

// Each item of a group has its own.
func TestTheTraceContextsOfAGroup(t *testing.T) {
	app := tracedApp()
	calls := []group.Call{callOf(t, "none", "traced", ""), callOf(t, "one", "traced", ""), callOf(t, "bad", "traced", ""), callOf(t, "no more", "traced", "")}
	calls[1].Traceparent, calls[2].Traceparent = traceparent, "hello"
	check := func(way string, answers map[string]group.Answer) {
		t.Helper()
		for id, want := range map[string]string{"none": "<>", "one": "<" + traceparent + ">", "bad": "<>", "no more": "<>"} {
			if got := sent(t, answers[id]); got != want {
				t.Errorf("%s, %s: got %s", way, id, got)
			}
		}
	}
	for _, enc := range []group.Encoding{group.JSON, group.Protobuf} {
		check("HTTP, "+enc.String(), decode(t, enc, post(t, app, enc.ContentType(), encode(t, enc, calls...)).Body.Bytes()))
	}
	for _, enc := range []group.Encoding{group.JSON, group.Packed} {
		check("Lambda, "+enc.String(), invoke(t, app, enc, calls...))
	}
}
