package stateway_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

func nothing(*stateway.Context, stateway.Message) error { return nil }

func TestRegistrationSaysWhatIsWrong(t *testing.T) {
	type list = []stateway.Declared
	cases := []struct {
		name   string
		typ    stateway.FunctionType
		values list
		want   string
	}{
		{"a type without slash", "greeter", nil, `register function "greeter": the type "greeter" is not of the form namespace/name`},
		{"a type with two slashes", "a/b/c", nil, "more than one slash"},
		{"a type with an empty part", "/b", nil, "not of the form"},
		{"a type that is there already", "a/taken", nil, "registered already"},
		{"a value whose name begins with a digit", "a/b", list{stateway.Value[int64]("9x")}, `state "9x": a name is a letter`},
		{"a value with a hyphen", "a/b", list{stateway.Value[int64]("a-b")}, "a name is a letter"},
		{"a value without name", "a/b", list{stateway.Value[int64]("")}, "a name is a letter"},
		{"two values of one name", "a/b", list{stateway.Value[int64]("x"), stateway.Value[bool]("x")}, `value 2 of 2: state "x": another value has the same name`},
		{"a nil value", "a/b", list{nil}, "value 1 of 1: it is nil"},
		{"a nil *State", "a/b", list{(*stateway.State[bool])(nil)}, "it is nil"},
		{"no time to live", "a/b", list{stateway.Value[bool]("x", stateway.ExpireAfterWrite(0))}, "ExpireAfterWrite(0s): the time must be at least one millisecond"},
		{"a negative time to live", "a/b", list{stateway.Value[bool]("x", stateway.ExpireAfterInvoke(-time.Hour))}, "ExpireAfterInvoke(-1h0m0s)"},
		{"a time to live under the millisecond", "a/b", list{stateway.Value[bool]("x", stateway.ExpireAfterWrite(time.Microsecond))}, "at least one millisecond"},
		{"two expiries", "a/b", list{stateway.Value[bool]("x", stateway.ExpireAfterWrite(time.Hour), stateway.ExpireAfterInvoke(time.Hour))}, "two expiry options"},
		{"plain int", "a/b", list{stateway.Value[int]("x")}, "no built-in type for int; use int32 or int64"},
		{"uint64", "a/b", list{stateway.Value[uint64]("x")}, "no built-in type for uint64"},
		{"a channel", "a/b", list{stateway.Value[chan int]("x")}, "a chan int cannot be kept as state"},
		{"a message by value", "a/b", list{stateway.Value[wrapperspb.BoolValue]("x")}, "use a pointer to one"},
		{"any message", "a/b", list{stateway.Value[proto.Message]("x")}, "ProtoMessage is not a generated message type"},
		{"a type with a bad name", "a/b", list{stateway.ValueOf("x", stateway.JSON[int]("noslash"))}, "noslash"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			app := stateway.New()
			app.Function("a/taken", nothing)
			err := app.Register(c.typ, nothing, c.values...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if got := app.Functions(); !reflect.DeepEqual(got, []stateway.FunctionType{"a/taken"}) {
				t.Errorf("functions %v", got)
			}
		})
	}
}

func TestRegistrationReportsEverythingAtOnce(t *testing.T) {
	err := stateway.New().Register("x", nil, stateway.Value[int]("1"), nil)
	for _, want := range []string{"namespace/name", "handler is nil", "a name is a letter", "built-in type", "it is nil"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Function does not panic")
		}
	}()
	stateway.New().Function("x", nil)
}

func TestDeclaredValuesAreListed(t *testing.T) {
	app := stateway.New()
	app.Function("a/b", nothing,
		stateway.Value[[]item]("items", stateway.ExpireAfterWrite(90*time.Second)),
		stateway.Value[[]byte]("raw"),
		stateway.Value[*wrapperspb.BoolValue]("flag", stateway.ExpireAfterInvoke(time.Millisecond)),
	)
	want := []stateway.ValueSpec{
		{Name: "items", TypeName: "io.stateway.types/json", Mode: stateway.ExpireModeWrite, ExpireAfterMillis: 90_000},
		{Name: "raw", TypeName: "io.stateway.types/bytes"},
		{Name: "flag", TypeName: "type.googleapis.com/google.protobuf.BoolValue", Mode: stateway.ExpireModeInvocation, ExpireAfterMillis: 1},
	}
	if got := app.Values("a/b"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if app.Values("no/such") != nil {
		t.Error("values of an unknown function")
	}
}

type item struct{ Name string }

func TestAllKindsOfStateAreKept(t *testing.T) {
	items := stateway.Value[[]item]("items")
	raw := stateway.Value[[]byte]("raw")
	flag := stateway.Value[*wrapperspb.BoolValue]("flag")
	app := stateway.New()
	app.Function("a/b", func(ctx *stateway.Context, _ stateway.Message) error {
		list, err := items.Get(ctx)
		b, errB := raw.Get(ctx)
		f, found, errF := flag.Lookup(ctx)
		if err := errors.Join(err, errB, errF); err != nil {
			return err
		}
		items.Set(ctx, append(list, item{"x"}))
		raw.Set(ctx, append(b, 1))
		flag.Set(ctx, wrapperspb.Bool(found && !f.GetValue()))
		return nil
	}, items, raw, flag)
	one := statewaytest.New(t, app, stateway.FunctionType("a/b").At("1"))
	one.Deliver(stateway.Bool.Of(true), stateway.Bool.Of(true))
	one.Deliver(stateway.Bool.Of(true))
	if got, _ := statewaytest.Get(one, items); len(got) != 3 {
		t.Errorf("items %v", got)
	}
	if got, _ := statewaytest.Get(one, raw); !bytes.Equal(got, []byte{1, 1, 1}) {
		t.Errorf("raw %v", got)
	}
	if got, found := statewaytest.Get(one, flag); !found || got.GetValue() {
		t.Errorf("flag %v %v", got, found)
	}
}

func TestAPanicIsAnErrorAndIsLoggedWithItsStack(t *testing.T) {
	var log bytes.Buffer
	app := stateway.New(stateway.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	cause := errors.New("cause")
	app.Function("golden/state", func(*stateway.Context, stateway.Message) error { panic(cause) })
	request := unhex(t, recorded(t)[0].Request)

	_, err := app.Invoke(t.Context(), request)
	var p *stateway.PanicError
	if !errors.As(err, &p) || !errors.Is(err, cause) || !strings.Contains(string(p.Stack), "app_test.go") {
		t.Errorf("error %v", err)
	}
	rec := httptest.NewRecorder()
	app.ServeHTTP(rec, httptest.NewRequest("POST", "/", bytes.NewReader(request)))
	if rec.Code != 500 || !strings.Contains(rec.Body.String(), "message 1 of 1: panic: cause") {
		t.Errorf("got %d %q", rec.Code, rec.Body)
	}
	if !strings.Contains(log.String(), "app_test.go") {
		t.Errorf("the log lacks the stack: %s", &log)
	}
}

func TestACallThatWasGivenUpStopsBetweenMessages(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	app := stateway.New()
	app.Function("a/b", func(c *stateway.Context, _ stateway.Message) error {
		runs++
		cancel()
		return nil
	})
	err := app.Run(ctx, &stateway.Batch{
		Target:   stateway.FunctionType("a/b").At("x"),
		Messages: make([]stateway.Inbound, 3),
	}, new(stateway.Effects))
	if !errors.Is(err, context.Canceled) || runs != 1 {
		t.Errorf("%d runs, error %v", runs, err)
	}
}

// Invocations in parallel share pooled memory, and must not mix it up.
func TestConcurrentInvocations(t *testing.T) {
	app := goldenApp()
	var wg sync.WaitGroup
	for _, g := range recorded(t) {
		if g.Error != "" {
			continue
		}
		want, err := app.Invoke(t.Context(), unhex(t, g.Request))
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			wg.Go(func() {
				for range 50 {
					got, err := app.Invoke(t.Context(), unhex(t, g.Request))
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("%s: %x, %v, want %x", g.Name, got, err, want)
						return
					}
				}
			})
		}
	}
	wg.Go(func() {
		if err := app.Register("golden/late", nothing); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
}
