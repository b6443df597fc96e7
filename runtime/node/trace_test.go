package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
)

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// traced is three functions, each in another place, and what trace contexts they are given.
type traced struct {
	mu   sync.Mutex
	seen map[string]int // how often, by what was seen; guarded by mu
	dir  string         // of the egresses' files

	held chan struct{} // closed when trace/first may go on
	bad  atomic.Bool   // trace/third fails
}

func (y *traced) saw(ctx *stateway.Context, way string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.seen[strings.TrimRight(fmt.Sprintf("%s %s %s", ctx.Self(), way, ctx.Traceparent()), " ")]++
}

func (y *traced) has(what string) func() bool {
	return func() bool {
		y.mu.Lock()
		defer y.mu.Unlock()
		return y.seen[what] > 0
	}
}

// first sends a message on, when it may.
func (y *traced) first(ctx *stateway.Context, msg stateway.Message) error {
	y.saw(ctx, "http")
	select {
	case <-y.held:
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx.Send(stateway.FunctionType("trace/second").At(ctx.Self().ID), msg.Payload())
	return nil
}

// second sends a delayed message on, and a record.
func (y *traced) second(ctx *stateway.Context, msg stateway.Message) error {
	y.saw(ctx, "embedded")
	ctx.SendAfter(time.Second, stateway.FunctionType("trace/third").At(ctx.Self().ID), msg.Payload())
	ctx.Egress("trace/out", msg.Payload())
	return increment(ctx, msg)
}

func (y *traced) third(ctx *stateway.Context, _ stateway.Message) error {
	y.saw(ctx, "group")
	if y.bad.Load() && ctx.Self().ID == "Kim" {
		return errors.New("not today")
	}
	return nil
}

// inGroups serves app in groups alone: a plain request that has a trace context is refused as by a server in trouble.
func inGroups(app *stateway.App) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, isGroup := group.OfContentType(r.Header.Get("Content-Type")); !isGroup && r.Header.Get("Traceparent") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		app.ServeHTTP(w, r)
	}
}

const tracedModule = `
kind: io.statefun.playground.v1/ingress
spec: {port: %[1]d}
---
kind: io.statefun.endpoints.v2/http
spec:
  functions: trace/first
  urlPathTemplate: %[2]s
---
kind: io.stateway.endpoints.v1/knative
spec:
  functions: trace/third
  urlPathTemplate: %[3]s
  retry: {initial: 5ms, max: 50ms, maxAttempts: 2}
  onFailure: deadLetter
  deadLetter: {egress: trace/letters}
---
kind: io.stateway.file.v1/egress
spec: {id: trace/out, path: %[4]s/out}
---
kind: io.stateway.file.v1/egress
spec: {id: trace/letters, path: %[4]s/letters}
`

func newTraced(t *testing.T) (*traced, *rig, int) {
	y := &traced{seen: map[string]int{}, dir: t.TempDir(), held: make(chan struct{})}
	y.bad.Store(true)
	quiet := stateway.WithLogger(slog.New(slog.DiscardHandler))
	first, embedded, third := stateway.New(quiet), stateway.New(quiet), stateway.New(quiet)
	first.Function("trace/first", y.first)
	embedded.Function("trace/second", y.second, count)
	third.Function("trace/third", y.third)
	plain, groups := httptest.NewServer(first), httptest.NewServer(inGroups(third))
	t.Cleanup(plain.Close)
	t.Cleanup(groups.Close)
	port := freePort(t)
	return y, newRig(t, embedded, fmt.Sprintf(tracedModule, port, plain.URL, groups.URL, y.dir)), port
}

// A trace context goes all the way: from an HTTP request to a function behind HTTP, in its message to an embedded one, in a delayed message to one that is called in groups, into
// a dead letter and back out of it; and into the records on the way. Nodes die at each station, and their disks with them.
func TestTraceContextFromEndToEnd(t *testing.T) {
	y, r, port := newTraced(t)
	restart := func(x *running) *running {
		x.kill()
		if err := os.RemoveAll(r.config.Data); err != nil {
			t.Fatal(err)
		}
		return r.start().ready()
	}
	send := func(id string, header http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/trace/%s", port, id), strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("post to %s: %s", id, resp.Status)
		}
	}

	x := r.start().ready()
	send("first/Kim", http.Header{"Traceparent": {traceparent}})
	x.eventually("the first function has it", y.has("trace/first/Kim http "+traceparent))
	x = restart(x) // the message is a row of the mailbox
	close(y.held)
	x.eventually("the second function has it", y.has("trace/second/Kim embedded "+traceparent))
	x.eventually("a checkpoint holds what it did", func() bool { return x.number("trace/second", "Kim", "count") == 1 })
	x = restart(x) // so does the row of the delayed message
	send("third/warm", nil)
	x.eventually("the third function has it", y.has("trace/third/Kim group "+traceparent))
	x.eventually("the message is given up", func() bool { return len(x.kept()) == 1 })
	x = restart(x)
	letters := x.kept()
	if len(letters) != 1 || letters[0].Letter.Trace.String() != traceparent {
		t.Fatalf("kept: %+v", letters)
	}

	y.bad.Store(false)
	y.mu.Lock()
	clear(y.seen)
	y.mu.Unlock()
	send("third/warm", nil)
	if _, err := x.Redrive(t.Context(), idsOf(letters)); err != nil {
		t.Fatal(err)
	}
	x.eventually("it is put back with it", y.has("trace/third/Kim group "+traceparent))
	x.eventually("who came without has none", y.has("trace/third/warm group"))
	x.eventually("the records have it", func() bool { return y.traces("out") == 1 && y.traces("letters") == 1 })
}

// traces counts the lines of a file egress that have the trace context.
func (y *traced) traces(file string) int {
	b, err := os.ReadFile(filepath.Join(y.dir, file))
	if err != nil {
		return 0
	}
	return strings.Count(string(b), `"traceparent":"`+traceparent+`","id":`)
}
