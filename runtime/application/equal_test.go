package application

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/faas/cloudevents"
	"github.com/stateway/stateway/faas/embedded"
	"github.com/stateway/stateway/faas/endpoint"
	faashttp "github.com/stateway/stateway/faas/http"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
)

var (
	bytesState = stateway.Value[[]byte]("bytes_state")
	textState  = stateway.Value[string]("text_state", stateway.ExpireAfterWrite(time.Second))
	jsonState  = stateway.Value[map[string]int]("json_state", stateway.ExpireAfterInvoke(math.MaxInt64))
	strayState = stateway.Value[bool]("stray_state") // nobody declares it
)

var (
	oddTypes = []stateway.FunctionType{"test/random", "other/f", "other/f", "a/b/c", "/f", "a/", "noslash", "", "a/b c", "ä/ö", "a/\xff", "a/*"}
	oddTexts = []string{"a", "a", "b", "", "\x00", "a/b", "ü€😀", "\xff\xfe", "%2F?#", strings.Repeat("long", 16<<10)}
	delays   = []time.Duration{0, 1, time.Millisecond, time.Second, math.MaxInt64, -1, -time.Hour}
	payloads = []stateway.Payload{
		{},
		stateway.Text("\xff"), stateway.String.Of(""), stateway.String.Of("\xff"), stateway.Int64.Of(-1), stateway.Bytes.Of(nil),
		stateway.RawPayload("a/b", make([]byte, 70_000)), stateway.RawPayload("noslash", nil), stateway.RawPayload("a/\xff", nil),
		stateway.KafkaRecord("topic", "", stateway.Text("x")), stateway.KinesisRecord("s", "\xff", stateway.Text("x")),
	}
)

func oneOf[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

// often takes the beginning of a list nine times of ten, so that most programs succeed.
func often[T any](r *rand.Rand, all []T, good int) T {
	if r.IntN(30) > 0 {
		return all[r.IntN(good)]
	}
	return oneOf(r, all)
}

// random does what its message, a seed, says.
func random(ctx *stateway.Context, msg stateway.Message) error {
	seed, err := stateway.Int64.Read(msg)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	for range r.IntN(6) {
		if err := randomStep(ctx, r, msg); err != nil {
			return err
		}
	}
	return nil
}

func randomStep(ctx *stateway.Context, r *rand.Rand, msg stateway.Message) error {
	target := often(r, oddTypes, 3).At(often(r, oddTexts, 7))
	payload := msg.Payload()
	if r.IntN(3) == 0 {
		payload = payloads[often(r, []int{1, 2, 4, 5, 6, 9, 0, 3, 7, 8, 10}, 6)]
	}
	switch r.IntN(13) {
	case 0:
		ctx.Send(target, payload)
	case 1:
		if caller, ok := ctx.Caller(); ok {
			ctx.Send(caller, payload)
		}
	case 2:
		ctx.SendAfter(often(r, delays, 5), target, payload)
	case 3:
		ctx.SendAfterWithToken(often(r, delays, 5), often(r, oddTexts, 3), target, payload)
	case 4:
		ctx.Cancel(often(r, oddTexts, 3))
	case 5:
		ctx.Egress(stateway.EgressID(often(r, oddTypes, 4)), payload)
	case 6:
		old, err := bytesState.Get(ctx)
		bytesState.Set(ctx, append(old, 'x'))
		return err
	case 7:
		textState.Set(ctx, often(r, oddTexts, 3))
	case 8:
		m, err := jsonState.Get(ctx)
		jsonState.Set(ctx, map[string]int{"n": m["n"] + 1})
		return err
	case 9:
		oneOf(r, []func(*stateway.Context){bytesState.Clear, textState.Clear, jsonState.Clear})(ctx)
	case 10:
		if r.IntN(8) == 0 {
			return errors.New("no")
		}
		ctx.Send(ctx.Self(), stateway.Int64.Of(r.Int64()))
	case 11:
		switch r.IntN(20) {
		case 0:
			strayState.Set(ctx, true)
		case 1:
			panic("ouch")
		}
	case 12:
		ctx.Send(ctx.Self(), stateway.String.Of(ctx.Traceparent()))
	}
	return nil
}

// randomInvocation has states that are absent, unknown to the function, of another type or without a value, and callers
// or none.
func randomInvocation(t *testing.T, r *rand.Rand) *core.Invocation {
	inv := &core.Invocation{Target: core.Address{Type: "test/random", ID: oneOf(r, []string{"a", "", "\x00", "ü", strings.Repeat("x", 64<<10)})}}
	for _, s := range []struct{ name, typename, value string }{
		{"bytes_state", "io.stateway.types/bytes", "old"},
		{"text_state", "io.statefun.types/string", "\x0a\x03old"},
		{"json_state", "io.stateway.types/json", `{"n":7}`},
		{"dropped", "a/b", "x"},
	} {
		st := core.NamedValue{Name: s.name}
		switch r.IntN(40) {
		case 0:
			continue // asked for
		case 1:
			st.Value = wire.AppendTypedValue(nil, "another/type", []byte(s.value))
		case 2:
			st.Value = core.Value{}
		case 3:
			st.Value = wire.TypedValue{Typename: s.typename, Value: []byte(s.value)}.Append(nil) // without has_value
		case 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19:
			st.Value = wire.AppendTypedValue(nil, s.typename, []byte(s.value))
		}
		inv.States = append(inv.States, st)
	}
	for range 1 + r.IntN(4) {
		m := &core.Message{Target: inv.Target, Arg: value(t, r.Int64())}
		if r.IntN(2) == 0 {
			m.Caller = core.Address{Type: "other/caller", ID: oneOf(r, []string{"c", "", "ü"})}
		}
		if r.IntN(4) == 0 {
			m.Trace = trace.Parse(fmt.Sprintf("00-%032x-%016x-%02x", r.Uint64()|1, r.Uint64()|1, r.IntN(256)))
		}
		if r.IntN(60) == 0 {
			m.Arg = oneOf(r, []core.Value{nil, {}, {0xff}, wire.AppendTypedValue(nil, "a/b", nil), wire.TypedValue{Typename: "io.statefun.types/long"}.Append(nil)})
		}
		inv.Messages = append(inv.Messages, m)
	}
	return inv
}

// The same App gives the same outcome whether it runs in the node's process, behind HTTP, or in groups behind HTTP.
func TestEmbeddedAndHTTPGiveTheSameEffects(t *testing.T) {
	app := stateway.New(stateway.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	app.Function("test/random", random, bytesState, textState, jsonState)
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	inProcess := newWay(t, func(done func([]core.Result)) (endpoint.Transport, error) {
		return embedded.New(embedded.Config{Function: &sdkFunction{app: app}}, done)
	})
	overHTTP := newWay(t, func(done func([]core.Result)) (endpoint.Transport, error) {
		return faashttp.New(faashttp.Config{URL: server.URL}, done)
	})
	inGroups := newGroupWay(t, server.URL)
	var classes [3]int
	incomplete := 0
	for seed := range uint64(2000) {
		inv := randomInvocation(t, rand.New(rand.NewPCG(seed, 0)))
		a, b := inProcess(inv), overHTTP(inv)
		if x, y := plain(a), plain(b); x != y {
			t.Fatalf("seed %d:\nembedded: %.2000s\nHTTP:     %.2000s", seed, x+" "+a.Reason, y+" "+b.Reason)
		}
		inv.Try.N = seed
		if c := inGroups(inv); plain(a) != plain(c) {
			t.Fatalf("seed %d:\nembedded: %.2000s\ngroups:   %.2000s", seed, plain(a)+" "+a.Reason, plain(c)+" "+c.Reason)
		}
		classes[a.Class]++
		if a.Response != nil && a.Response.Incomplete {
			incomplete++
		}
	}
	if classes[core.OutcomeOK] < 500 || classes[core.OutcomeFailed] < 100 || incomplete < 50 {
		t.Errorf("outcomes %v, %d of them incomplete: the programs are too uniform", classes, incomplete)
	}
}

// newWay runs one invocation after the other over a transport.
func newWay(t *testing.T, open func(func([]core.Result)) (endpoint.Transport, error)) func(*core.Invocation) core.Outcome {
	t.Helper()
	results := make(chan core.Outcome, 1)
	tr, err := open(func(rs []core.Result) { results <- rs[0].Outcome })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return func(inv *core.Invocation) core.Outcome {
		tr.Send([]*core.Invocation{inv})
		return <-results
	}
}

// newGroupWay runs one invocation after the other in groups of two: the other is the same with another id.
func newGroupWay(t *testing.T, url string) func(*core.Invocation) core.Outcome {
	t.Helper()
	results := make(chan core.GroupOutcome, 1)
	tr, err := cloudevents.New(cloudevents.Config{HTTP: faashttp.Config{URL: url}, Source: "stateway:test"}, func(rs []endpoint.GroupResult) {
		results <- rs[0].Outcome
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return func(inv *core.Invocation) core.Outcome {
		other := *inv
		other.Try.Worker++
		tr.Send([]*core.Group{{Items: []*core.Invocation{&other, inv}}})
		o := <-results
		if len(o.Items) != 2 {
			t.Fatalf("got %+v", o)
		}
		return o.Items[1]
	}
}

// plain is an outcome without its words, empty and absent lists alike.
func plain(o core.Outcome) string {
	if o.Response == nil {
		return o.Class.String()
	}
	r := *o.Response
	b, err := json.Marshal([]any{
		o.Class, r.Incomplete, append([]core.StateSpec{}, r.Missing...), append([]core.Outgoing{}, r.Messages...),
		append([]core.Delayed{}, r.Delayed...), append([]core.EgressRecord{}, r.Egresses...), append([]core.Mutation{}, r.Mutations...),
	})
	return fmt.Sprint(string(b), err)
}
