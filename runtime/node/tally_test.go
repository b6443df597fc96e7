package node_test

import (
	"fmt"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/egress"
	outside "github.com/stateway/stateway/runtime/egress/memory"
)

const (
	tallies   = 7  // Addresses of test/tally
	lateEvery = 16 // of that many records, one leads to a delayed message
)

var count = stateway.Value[int64]("count")

// tallyFunctions count what they get in every way that has to be exact: state, messages to others, delayed messages,
// records.
func tallyFunctions() *stateway.App {
	app := stateway.New()
	app.Function("test/counter", func(ctx *stateway.Context, msg stateway.Message) error {
		v, err := stateway.Int64.Read(msg)
		if err != nil {
			return err
		}
		n, err := count.Get(ctx)
		if err != nil {
			return err
		}
		count.Set(ctx, n+1)
		ctx.Send(stateway.FunctionType("test/tally").At(fmt.Sprint(v%tallies)), msg.Payload())
		if v%lateEvery == 0 {
			ctx.SendAfter(1, stateway.FunctionType("test/late").At(ctx.Self().ID), msg.Payload())
		}
		line := stateway.RawPayload("test/line", fmt.Appendf(nil, "%s %d %d", ctx.Self().ID, n+1, v))
		ctx.Egress("test/out", line)
		ctx.Egress("test/fast", line)
		return nil
	}, count)
	app.Function("test/tally", increment, count)
	app.Function("test/late", increment, count)
	return app
}

func increment(ctx *stateway.Context, _ stateway.Message) error {
	n, err := count.Get(ctx)
	count.Set(ctx, n+1)
	return err
}

// tally is a rig that counts a generator's records.
type tally struct {
	*rig
	records   int
	out, fast *outside.World
}

func newTally(t *testing.T, records, addresses int) *tally {
	t.Helper()
	y := &tally{records: records, out: outside.NewWorld(2), fast: outside.NewWorld(1)}
	y.rig = newRig(t, tallyFunctions(), fmt.Sprintf(`
kind: io.stateway.generator.v1/ingress
spec:
  id: test/in
  partitions: 3
  seed: 7
  ids: {prefix: u, count: %d}
  count: %d
  value: sequence
  targets: [test/counter]
`, addresses, records))
	y.publishes("test/out", y.out)
	y.emits("test/fast", y.fast)
	return y
}

// line is what a record of test/counter says.
type line struct {
	id   string
	n, v int
}

func parseLine(t *testing.T, r egress.Record) (l line) {
	t.Helper()
	if _, err := fmt.Sscanf(string(r.Value), "%s %d %d", &l.id, &l.n, &l.v); err != nil {
		t.Fatalf("record %q: %v", r.Value, err)
	}
	return l
}

// done waits until everything was published and counted.
func (y *tally) done(x *running) {
	y.t.Helper()
	x.eventually("all records are published", func() bool { return len(y.out.Records()) >= y.records })
	for i := range tallies {
		want := int64((y.records - i + tallies - 1) / tallies)
		id := fmt.Sprint(i)
		x.eventually("the tally of "+id+" is right", func() bool { return x.number("test/tally", id, "count") >= want })
		if got := x.number("test/tally", id, "count"); got != want {
			y.t.Errorf("test/tally/%s counted %d, want %d", id, got, want)
		}
	}
}

// verify checks that every record counted exactly once, in order. The node must have done everything.
func (y *tally) verify(x *running) {
	y.t.Helper()
	counts, seen := map[string]int{}, map[int]int{}
	late := map[string]int64{}
	for _, r := range y.out.Records() {
		l := parseLine(y.t, r)
		counts[l.id]++
		seen[l.v]++
		if counts[l.id] != l.n {
			y.t.Fatalf("record %q is the %d. of its Address to be published", r.Value, counts[l.id])
		}
		if l.v%lateEvery == 0 {
			late[l.id]++
		}
	}
	fast := map[int]bool{}
	for _, r := range y.fast.Records() {
		fast[parseLine(y.t, r).v] = true
	}
	for v := range y.records {
		if seen[v] != 1 {
			y.t.Errorf("record %d was published %d times after a commit", v, seen[v])
		}
		if !fast[v] {
			y.t.Errorf("record %d was never emitted", v)
		}
	}
	for id, n := range counts {
		x.eventually("the state of "+id+" is stored", func() bool { return x.number("test/counter", id, "count") == int64(n) })
		x.eventually("the delayed messages of "+id+" have come", func() bool { return x.number("test/late", id, "count") >= late[id] })
		if got := x.number("test/late", id, "count"); got != late[id] {
			y.t.Errorf("test/late/%s counted %d, want %d", id, got, late[id])
		}
	}
}
