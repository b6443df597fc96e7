package endpoint_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateway/stateway/faas/embedded"
	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/runtime/core"
)

// A deployment all of whose answers are refused is the endpoint's trouble: all but the first few messages wait for a better
// one instead of using up their tries.
func TestRefusedAnswersOfAllAreTheEndpointsTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed []core.Result
		e, err := endpoint.New(endpoint.Config{
			Now: now, Window: func(int) {},
			Check: func(_ *core.Invocation, resp *core.Response) error {
				if len(resp.Egresses) > 0 {
					return errors.New("there is no egress shop/nowhere")
				}
				return nil
			},
			Deliver: func(rs []core.Result) { failed = append(failed, rs...) },
		}, func(done func([]core.Result)) (endpoint.Transport, error) {
			return embedded.New(embedded.Config{Function: embedded.Func(func(context.Context, *core.Invocation) core.Outcome {
				return core.Outcome{Response: &core.Response{Egresses: []core.EgressRecord{{Egress: "shop/nowhere"}}}}
			})}, done)
		})
		if err != nil {
			t.Fatal(err)
		}
		var invs []*core.Invocation
		for i := range 200 {
			invs = append(invs, invocation(strconv.Itoa(i)))
		}
		e.Submit(invs)
		time.Sleep(time.Minute)
		if s := e.Stats(); !s.Resting || s.Queued == 0 {
			t.Errorf("after a minute: %+v", s)
		}
		e.Close()
		if len(failed) == 0 || len(failed) >= 20 {
			t.Errorf("%d failures were delivered, want fewer than 20", len(failed))
		}
		for _, r := range failed {
			if r.Outcome.Class != core.OutcomeFailed || !strings.Contains(r.Outcome.Reason, "shop/nowhere") {
				t.Errorf("delivered %+v", r.Outcome)
			}
		}
	})
}
