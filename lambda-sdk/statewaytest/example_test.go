package statewaytest_test

import (
	"fmt"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

var visits = stateway.Value[int64]("visits")

func newVisitors() *stateway.App {
	app := stateway.New()
	app.Function("example/visitor", func(ctx *stateway.Context, _ stateway.Message) error {
		n, err := visits.Get(ctx)
		if err != nil {
			return err
		}
		visits.Set(ctx, n+1)
		ctx.Send(stateway.FunctionType("example/board").At("all"), stateway.String.Of(ctx.Self().ID))
		return nil
	}, visits)
	return app
}

// A test hands in its own t, and fails by it when a function does.
func Example() {
	t := new(testing.T)
	ann := statewaytest.New(t, newVisitors(), stateway.FunctionType("example/visitor").At("Ann"))
	statewaytest.Set(ann, visits, 41)

	effects := ann.Deliver(stateway.Bool.Of(true))

	n, found := statewaytest.Get(ann, visits)
	fmt.Println(n, found)
	fmt.Println(effects.Sent[0].To, statewaytest.Read(ann, stateway.String, effects.Sent[0].Message))
	// Output:
	// 42 true
	// example/board/all Ann
}
