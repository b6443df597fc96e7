package greeting

import (
	"fmt"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// The function types. Person has an Address for each person; Greeter keeps nothing.
const (
	Person  = stateway.FunctionType("example/person")
	Greeter = stateway.FunctionType("example/greeter")
)

// Topic is the topic of the playground egress that greetings are sent to.
const Topic = "greetings"

// Request asks for a greeting. Visits is filled in by Person.
type Request struct {
	Name   string `json:"name"`
	Visits int32  `json:"visits,omitempty"`
}

// RequestType is how a Request travels: as JSON.
var RequestType = stateway.JSON[Request]("example/GreetRequest")

var visits = stateway.Value[int32]("visits")

// New returns the functions, ready to be served.
func New() *stateway.App {
	app := stateway.New()
	app.Function(Person, person, visits)
	app.Function(Greeter, greet)
	return app
}

func person(ctx *stateway.Context, msg stateway.Message) error {
	request, err := RequestType.Read(msg)
	if err != nil {
		return err
	}
	seen, err := visits.Get(ctx)
	if err != nil {
		return err
	}
	request.Visits = seen + 1
	visits.Set(ctx, request.Visits)
	ctx.Send(Greeter.At(request.Name), RequestType.Of(request))
	return nil
}

func greet(ctx *stateway.Context, msg stateway.Message) error {
	request, err := RequestType.Read(msg)
	if err != nil {
		return err
	}
	ctx.Egress(stateway.PlaygroundEgress, stateway.PlaygroundRecord(Topic, text(request)))
	return nil
}

func text(r Request) string {
	if r.Visits == 1 {
		return fmt.Sprintf("Welcome, %s!", r.Name)
	}
	return fmt.Sprintf("Welcome back, %s! This is visit %d.", r.Name, r.Visits)
}
