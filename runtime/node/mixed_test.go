package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stateway/stateway/internal/lambdaemu"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
	outside "github.com/stateway/stateway/runtime/egress/memory"
)

// moody serves functions and fails now and then as networks and servers do. While plain is set it is an older version, which knows no groups.
type moody struct {
	app   *stateway.App
	plain atomic.Bool
	asked [2]atomic.Int64 // plain requests, groups
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, isGroup := group.OfContentType(r.Header.Get("Content-Type"))
	kind := 0
	if isGroup {
		kind = 1
	}
	m.asked[kind].Add(1)
	switch rand.IntN(60) {
	case 0:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case 1:
		panic(http.ErrAbortHandler)
	case 2:
		m.app.ServeHTTP(httptest.NewRecorder(), r) // it ran, and the answer is lost
		panic(http.ErrAbortHandler)
	}
	if !m.plain.Load() {
		m.app.ServeHTTP(w, r)
		return
	}
	if isGroup {
		http.Error(w, "no groups here", []int{400, 404, 415, 500}[rand.IntN(4)])
		return
	}
	rec := httptest.NewRecorder()
	m.app.ServeHTTP(rec, r)
	rec.Header().Del(group.Header)
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// ring are function types in four places; each passes what it gets on to the next, and the last one to the first.
var ring = []stateway.FunctionType{"ring/knative", "ring/http", "ring/lambda", "ring/embedded"}

const laps = 2 // that a record goes round the ring

// passOn registers a function of the ring. A record of the generator is at its first stop; another message is the number of those before, negative.
func passOn(app *stateway.App, here int) {
	app.Function(ring[here], func(ctx *stateway.Context, msg stateway.Message) error {
		v, err := stateway.Int64.Read(msg)
		if err != nil {
			return err
		}
		if stops := 1 - min(v, 0); stops < laps*int64(len(ring)) {
			ctx.Send(ring[(here+1)%len(ring)].At(ctx.Self().ID), stateway.Int64.Of(-stops))
		}
		return increment(ctx, msg)
	}, count)
}

// unreliable is Lambda with functions that fail now and then as it does, and as networks do.
func unreliable(t *testing.T, app *stateway.App) (*lambdaemu.Emulator, string) {
	t.Helper()
	const often = 20
	var runs atomic.Uint64
	e, err := lambdaemu.New(lambdaemu.Config{
		Functions: []lambdaemu.Function{{Name: "ring", Handler: func(ctx context.Context, payload []byte) ([]byte, error) {
			if runs.Add(1)%often == 0 {
				return nil, &lambdaemu.Exit{Reason: "exit status 3"}
			}
			return app.Lambda().Invoke(ctx, payload)
		}}},
		Fault: func(_ string, n uint64) lambdaemu.Fault {
			return map[uint64]lambdaemu.Fault{
				4:  {Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Reason: "ConcurrentInvocationLimitExceeded"},
				8:  {Status: http.StatusBadGateway, Code: "EC2UnexpectedException"},
				12: {Lose: true},
				16: {Twice: true},
			}[n%often]
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(e)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		e.Close()
	})
	return e, s.URL
}

// mixed is where the functions of TestMixedEndpoints are. It takes the URLs of the HTTP server and of Lambda, the number of records, and of the
// ring the number of Addresses and of records.
const mixed = `
kind: io.stateway.endpoints.v1/knative
spec:
  functions: test/*
  urlPathTemplate: %[1]s/{function.name}
  maxNumBatchRequests: 3
  retry: {max: 100ms}
---
kind: io.statefun.endpoints.v2/http
spec:
  functions: test/tally
  urlPathTemplate: %[1]s
  retry: {max: 100ms}
---
kind: io.stateway.endpoints.v1/knative
spec:
  functions: ring/knative
  urlPathTemplate: %[1]s
  retry: {max: 100ms}
---
kind: io.statefun.endpoints.v2/http
spec:
  functions: ring/http
  urlPathTemplate: %[1]s
  retry: {max: 100ms}
---
kind: io.stateway.endpoints.v1/lambda
spec:
  functions: ring/lambda
  function: ring
  awsRegion: {type: custom-endpoint, id: us-east-1, endpoint: "%[2]s"}
  awsCredentials: {type: basic, accessKeyId: any, secretAccessKey: any}
  retry: {initial: 5ms, max: 100ms}
---
kind: io.stateway.generator.v1/ingress
spec:
  id: test/in
  partitions: 3
  seed: 7
  ids: {prefix: u, count: 500}
  count: %[3]d
  value: sequence
  targets: [test/counter]
---
kind: io.stateway.generator.v1/ingress
spec:
  id: ring/in
  partitions: 2
  seed: 8
  ids: {prefix: r, count: %[4]d}
  count: %[5]d
  value: sequence
  targets: [ring/knative]
`

// wentRound waits until each record has gone round the ring, and checks that it was seen everywhere as often as it should be.
func wentRound(x *running, records, ids int) {
	x.t.Helper()
	seen := func(f stateway.FunctionType) (sum int64) {
		for i := range ids {
			sum += x.number(string(f), fmt.Sprint("r", i), "count")
		}
		return sum
	}
	want := int64(records * laps)
	for _, f := range ring {
		x.eventually(fmt.Sprintf("%s has seen all", f), func() bool { return seen(f) >= want })
	}
	for _, f := range ring {
		if got := seen(f); got != want {
			x.t.Errorf("%s has seen %d, want %d", f, got, want)
		}
	}
}

// Functions in the process, behind HTTP, on Lambda, and in groups behind one address each message one another; every message counts exactly
// once, while nodes are killed, answers are lost, and the functions' server is replaced by a version without groups and back.
func TestMixedEndpoints(t *testing.T) {
	const ringIDs, ringRecords = 50, 2500
	outsideFunctions, embedded, onLambda := tallyFunctions(), stateway.New(), stateway.New()
	embedded.Function("test/late", increment, count)
	for i, app := range []*stateway.App{outsideFunctions, outsideFunctions, onLambda, embedded} {
		passOn(app, i)
	}
	server := &moody{app: outsideFunctions}
	s := httptest.NewServer(server)
	defer s.Close()
	emulator, lambda := unreliable(t, onLambda)
	y := &tally{records: 6000, out: outside.NewWorld(2), fast: outside.NewWorld(1)}
	y.rig = newRig(t, embedded, fmt.Sprintf(mixed, s.URL, lambda, y.records, ringIDs, ringRecords))
	y.publishes("test/out", y.out)
	y.emits("test/fast", y.fast)
	items, tries := 0.0, 0.0
	for i := range 5 {
		x := y.start()
		server.plain.Store(i%2 == 1)
		stop := min(y.records, len(y.out.Records())+rand.IntN(1200))
		x.eventually("some records are published", func() bool { return len(y.out.Records()) >= stop })
		server.plain.Store(rand.IntN(2) == 1) // while it runs
		stop = min(y.records, stop+rand.IntN(300))
		x.eventually("more are published", func() bool { return len(y.out.Records()) >= stop })
		items, tries = items+x.metric("stateway_group_items_total"), tries+x.metric("stateway_requests_total")
		x.kill()
		if i%2 == 0 {
			if err := os.RemoveAll(y.config.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	server.plain.Store(false)
	x := y.start().ready()
	y.done(x)
	y.verify(x)
	wentRound(x, ringRecords, ringIDs)
	if st := emulator.Stats("ring"); st.Errors == 0 {
		t.Errorf("Lambda: %+v", st)
	}
	if plain, groups := server.asked[0].Load(), server.asked[1].Load(); plain == 0 || groups == 0 {
		t.Errorf("%d plain requests and %d groups: there should be both", plain, groups)
	}
	if items < tries/2 || tries == 0 {
		t.Errorf("%v tries, of which %v are counted in groups: the functions behind groups have most", tries, items)
	}
}
