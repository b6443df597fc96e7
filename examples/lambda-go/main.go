// Command lambda-go is a stateful function on AWS Lambda: it greets people and counts their visits. What it is built to is the bootstrap of
// the runtime provided.al2023.
//
//	make lambda-go
//	bin/stateway dev lambda hello=bin/lambda-go
package main

import (
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

var visits = stateway.Value[int32]("visits")

// hello has an Address for each person.
func hello(ctx *stateway.Context, _ stateway.Message) error {
	seen, err := visits.Get(ctx)
	if err != nil {
		return err
	}
	visits.Set(ctx, seen+1)
	greeting := fmt.Sprintf("Hello %s, visit %d", ctx.Self().ID, seen+1)
	ctx.Egress(stateway.PlaygroundEgress, stateway.PlaygroundRecord("greetings", greeting))
	return nil
}

func newApp() *stateway.App {
	app := stateway.New()
	app.Function("example/hello", hello, visits)
	return app
}

func main() { lambda.Start(newApp().Lambda()) }
