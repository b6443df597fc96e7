package stateway_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"google.golang.org/protobuf/types/known/durationpb"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

var seen = stateway.Value[int32]("seen")

func greet(ctx *stateway.Context, msg stateway.Message) error {
	name, err := stateway.String.Read(msg)
	if err != nil {
		return err
	}
	n, err := seen.Get(ctx)
	if err != nil {
		return err
	}
	seen.Set(ctx, n+1)
	greeting := fmt.Sprintf("Hello %s, visit %d", name, n+1)
	ctx.Egress(stateway.PlaygroundEgress, stateway.PlaygroundRecord("greetings", greeting))
	return nil
}

// A whole program: one function that counts, served over HTTP.
func Example() {
	app := stateway.New()
	app.Function("example/greeter", greet, seen)
	log.Fatal(http.ListenAndServe(":8000", app))
}

// The same program as an AWS Lambda function.
func ExampleApp_Lambda() {
	app := stateway.New(stateway.WithParallel(100)) // greet waits for nothing, but yours may
	app.Function("example/greeter", greet, seen)
	lambda.Start(app.Lambda())
}

// Values of any Go type are kept: as a built-in type, as protobuf or as JSON.
func ExampleValue() {
	type Item struct {
		Name  string
		Count int
	}
	count := stateway.Value[int64]("count")
	items := stateway.Value[[]Item]("items", stateway.ExpireAfterWrite(24*time.Hour))
	window := stateway.Value[*durationpb.Duration]("window", stateway.ExpireAfterInvoke(time.Hour))
	fmt.Println(count.Type().Name())
	fmt.Println(items.Type().Name())
	fmt.Println(window.Type().Name())
	// Output:
	// io.statefun.types/long
	// io.stateway.types/json
	// type.googleapis.com/google.protobuf.Duration
}

// A message type of one's own, and a function that takes two.
func ExampleJSON() {
	type Add struct {
		Item string `json:"item"`
	}
	add := stateway.JSON[Add]("shop/Add")
	checkout := stateway.JSON[struct{}]("shop/Checkout")

	handler := func(ctx *stateway.Context, msg stateway.Message) error {
		switch {
		case add.Is(msg):
			a, err := add.Read(msg)
			fmt.Println("add", a.Item, err)
			return err
		case checkout.Is(msg):
			fmt.Println("check out")
			return nil
		}
		return errors.New("unknown message " + msg.TypeName())
	}
	app := stateway.New()
	app.Function("shop/cart", handler)

	kim := statewaytest.New(&testing.T{}, app, stateway.FunctionType("shop/cart").At("Kim"))
	kim.Deliver(add.Of(Add{Item: "socks"}), checkout.Of(struct{}{}))
	// Output:
	// add socks <nil>
	// check out
}

// A reminder that is put off with each message.
func ExampleContext_SendAfterWithToken() {
	const session = stateway.FunctionType("example/session")
	handler := func(ctx *stateway.Context, msg stateway.Message) error {
		if stateway.Bool.Is(msg) { // the reminder itself
			return nil
		}
		ctx.Cancel("idle")
		ctx.SendAfterWithToken(10*time.Minute, "idle", ctx.Self(), stateway.Bool.Of(true))
		return nil
	}
	app := stateway.New()
	app.Function(session, handler)
}

// Records for the three kinds of egress that StateFun has.
func ExampleContext_Egress() {
	receipt := stateway.JSON[map[string]int]("shop/Receipt")
	handler := func(ctx *stateway.Context, _ stateway.Message) error {
		value := receipt.Of(map[string]int{"total": 12})
		ctx.Egress("shop/kafka", stateway.KafkaRecord("receipts", ctx.Self().ID, value))
		ctx.Egress("shop/kinesis", stateway.KinesisRecord("receipts", ctx.Self().ID, value))
		ctx.Egress(stateway.PlaygroundEgress, stateway.PlaygroundRecord("receipts", "12"))
		return nil
	}
	app := stateway.New()
	app.Function("shop/cart", handler)
}
