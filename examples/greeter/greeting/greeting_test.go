package greeting_test

import (
	"testing"

	"github.com/stateway/stateway/examples/greeter/greeting"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

func TestEachVisitCounts(t *testing.T) {
	app := greeting.New()
	bob := statewaytest.New(t, app, greeting.Person.At("Bob"))
	greeter := statewaytest.New(t, app, greeting.Greeter.At("Bob"))

	for _, want := range []string{"Welcome, Bob!", "Welcome back, Bob! This is visit 2.", "Welcome back, Bob! This is visit 3."} {
		passedOn := bob.Deliver(greeting.RequestType.Of(greeting.Request{Name: "Bob"}))
		if len(passedOn.Sent) != 1 || passedOn.Sent[0].To != greeting.Greeter.At("Bob") {
			t.Fatalf("sent %v, want one request to the greeter", passedOn.Sent)
		}
		greeted := greeter.Deliver(passedOn.Sent[0].Message)
		if len(greeted.Egress) != 1 {
			t.Fatalf("got %d records, want one greeting", len(greeted.Egress))
		}
		if got := statewaytest.Playground(t, greeted.Egress[0]); got.Topic != greeting.Topic || got.Payload != want {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
}
