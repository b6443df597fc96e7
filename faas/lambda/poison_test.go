package lambda_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/faas/group"
	"github.com/stateway/stateway/faas/lambda"
	"github.com/stateway/stateway/internal/lambdaemu"
	stateway "github.com/stateway/stateway/lambda-sdk"
	protocol "github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/runtime/core"
)

// victims counts how often each Address was run to an answer. Whatever is in a group with the poison one dies with it, if that is how it is.
type victims struct {
	deadly bool

	mu   sync.Mutex
	runs map[string]int
}

const poisonID = "poison"

func (v *victims) invoke(ctx context.Context, payload []byte) ([]byte, error) {
	enc, _ := protocol.OfPayload(payload)
	calls, err := protocol.ParseCalls(enc, payload, nil)
	if err != nil {
		return nil, err
	}
	for i := range calls {
		if v.deadly && calls[i].Target.ID == poisonID {
			return nil, &lambdaemu.Exit{Reason: "exit status 1"}
		}
	}
	app := stateway.New()
	app.Function("test/count", func(ctx *stateway.Context, _ stateway.Message) error {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.runs[ctx.Self().ID]++
		if ctx.Self().ID == poisonID {
			return errors.New("as asked")
		}
		return nil
	})
	return app.Lambda().Invoke(ctx, payload)
}

// One poison item among 10,000 costs what halving one group of 1,000 does, and nothing where the function says which one it is. Nobody else
// is run again once it was answered.
func TestOnePoisonItemInTenThousand(t *testing.T) {
	const items, together = 10_000, 1000
	cases := []struct {
		name   string
		deadly bool
		extra  int // invocations
	}{
		{"it is answered as poison", false, 0},
		{"it ends its environment", true, int(math.Ceil(2*math.Log2(together))) + 1}, // one to see whether it is the encoding
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := &victims{deadly: c.deadly, runs: map[string]int{}}
			e, emulator, results := startEndpoint(t, v.invoke)
			e.Submit([]*core.Invocation{counted(t, "first")}) // its answer announces the packed encoding
			<-results
			var all []*core.Invocation
			for i := range items - 1 {
				all = append(all, counted(t, fmt.Sprint(i)))
			}
			all = append(all[:together/3], append([]*core.Invocation{counted(t, poisonID)}, all[together/3:]...)...)
			e.Submit(all)
			for range all {
				r := <-results
				if failed := r.Outcome.Class == core.OutcomeFailed; failed != (r.Invocation.Target.ID == poisonID) {
					t.Errorf("%s: %+v", r.Invocation.Target, r.Outcome)
				}
			}
			if extra := int(emulator.Stats("f").Invocations) - 1 - items/together; extra > c.extra { //nolint:gosec // few
				t.Errorf("%d invocations more than without the poison item, want at most %d", extra, c.extra)
			} else {
				t.Logf("%d invocations more than without the poison item", extra)
			}
			v.mu.Lock()
			defer v.mu.Unlock()
			for id, n := range v.runs {
				if n != 1 {
					t.Errorf("%s was run %d times", id, n)
				}
			}
		})
	}
}

// counted is an invocation of test/count at an id.
func counted(t *testing.T, id string) *core.Invocation {
	inv := call(t, "count", nil)
	inv.Target.ID = id
	return inv
}

// startEndpoint starts an endpoint as a node has it, in front of a function on Lambda.
func startEndpoint(t *testing.T, handler lambdaemu.Handler) (*endpoint.Groups, *lambdaemu.Emulator, chan core.Result) {
	t.Helper()
	emulator, err := lambdaemu.New(lambdaemu.Config{Functions: []lambdaemu.Function{{Name: "f", Handler: handler, Timeout: time.Minute}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(emulator)
	asker := group.Asker{Source: "stateway:test", Call: time.Minute}
	results := make(chan core.Result, 20_000)
	e, err := endpoint.NewGroups(endpoint.Config{
		Groups: core.GroupDispatcherConfig{Size: lambda.Size(asker), MaxBytes: lambda.GroupBytes(protocol.MaxLambdaPayload)},
		Now:    func() core.Millis { return core.Millis(time.Now().UnixMilli()) },
		Window: func(int) {},
		Deliver: func(rs []core.Result) {
			for _, r := range rs {
				results <- r
			}
		},
	}, func(done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error) {
		return lambda.New(lambda.Config{Client: client(t, server.URL), Function: "f", Asker: asker}, done)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		server.CloseClientConnections()
		server.Close()
		emulator.Close()
	})
	return e, emulator, results
}
