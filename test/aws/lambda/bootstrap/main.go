// Command bootstrap is a Lambda function with the Go SDK: the actor of test/compat as far as these tests use it.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

var count = stateway.ValueOf("count", stateway.Int32)

// actor does what its message says: add N, fail, exit, sleep DURATION.
func actor(ctx *stateway.Context, msg stateway.Message) error {
	operation, argument, _ := strings.Cut(string(msg.Bytes()), " ")
	switch operation {
	case "add":
		var n int32
		if _, err := fmt.Sscan(argument, &n); err != nil {
			return err
		}
		old, err := count.Get(ctx)
		count.Set(ctx, old+n)
		return err
	case "fail":
		return errors.New("as asked")
	case "exit":
		os.Exit(3)
	case "sleep":
		d, err := time.ParseDuration(argument)
		time.Sleep(d)
		return err
	}
	return nil
}

func main() {
	app := stateway.New(stateway.WithParallel(1000))
	app.Function("compat/actor", actor, count)
	lambda.Start(app.Lambda())
}
