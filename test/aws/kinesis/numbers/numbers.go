// Package numbers is what the Kinesis tests send: for each key records with numbers that rise by one, functions that notice each that comes
// twice, late or never, and a producer. Called by the tests below test/aws/kinesis and by their function server.
package numbers

import (
	"fmt"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// Record is the Number-th record of its key, from 1.
type Record struct {
	Key    string `json:"key"`
	Number int    `json:"number"`
}

// Tally is what a function knows of its key: the last number, and the first few records that did not come in order and once.
type Tally struct {
	Last     int      `json:"last"`
	Problems []string `json:"problems,omitempty"`
}

// The functions. Count and Second count; First counts and sends each record to the egress Middle, for the stream MiddleStream.
const (
	Count        stateway.FunctionType = "test/count"
	First        stateway.FunctionType = "test/first"
	Second       stateway.FunctionType = "test/second"
	Middle       stateway.EgressID     = "test/middle"
	MiddleStream                       = "middle"
)

// StateName is the only state of each function, a Tally.
const StateName = "tally"

// The types of values.
var (
	RecordType = stateway.JSON[Record]("test/Record")
	TallyType  = stateway.JSON[Tally]("test/Tally")
	tally      = stateway.ValueOf(StateName, TallyType)
)

// App returns the functions.
func App() *stateway.App {
	app := stateway.New()
	counts := func(ctx *stateway.Context, msg stateway.Message) error {
		_, err := count(ctx, msg)
		return err
	}
	app.Function(Count, counts, tally)
	app.Function(Second, counts, tally)
	app.Function(First, func(ctx *stateway.Context, msg stateway.Message) error {
		r, err := count(ctx, msg)
		if err == nil {
			ctx.Egress(Middle, stateway.KinesisRecord(MiddleStream, r.Key, RecordType.Of(r)))
		}
		return err
	}, tally)
	return app
}

const maxProblems = 5

func count(ctx *stateway.Context, msg stateway.Message) (Record, error) {
	r, err := RecordType.Read(msg)
	if err != nil {
		return r, err
	}
	known, _, err := tally.Lookup(ctx)
	if err != nil {
		return r, err
	}
	known.Problems = known.Problems[:min(len(known.Problems), maxProblems)]
	if id := ctx.Self().ID; r.Number != known.Last+1 || r.Key != id {
		known.Problems = append(known.Problems, fmt.Sprintf("%s/%d reached %s after %d", r.Key, r.Number, id, known.Last))
	}
	known.Last = r.Number
	tally.Set(ctx, known)
	return r, nil
}

// Check says what is wrong with what is known after some of the sent records have been put.
func (t Tally) Check(sent int) error {
	if len(t.Problems) > 0 {
		return fmt.Errorf("out of order, twice or missing: %v", t.Problems)
	}
	if t.Last > sent {
		return fmt.Errorf("counted %d of %d", t.Last, sent)
	}
	return nil
}
