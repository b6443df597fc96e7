package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	outside "github.com/stateway/stateway/runtime/egress/memory"
	"github.com/stateway/stateway/runtime/ingress"
	source "github.com/stateway/stateway/runtime/ingress/memory"
	"github.com/stateway/stateway/runtime/node"
)

// troubled is an application of which some Addresses fail: error, panic and hang do what they are called, until cured.
type troubled struct {
	*rig
	log         *source.Log
	out, letter *outside.World
	cured       atomic.Bool
	hung        atomic.Int64
}

func newTroubled(t *testing.T) *troubled {
	t.Helper()
	y := &troubled{log: source.NewLog(source.Options{Router: ingress.Targets("test/count")})}
	y.out, y.letter = outside.NewWorld(1), outside.NewWorld(1)
	app := stateway.New()
	app.Function("test/count", y.handle, count)
	y.rig = newRig(t, app)
	y.log.AddPartition("p")
	y.reads("test/log", y.log)
	y.publishes("test/out", y.out)
	y.publishes("test/letters", y.letter)
	e := &y.parts.Endpoints[0].Core
	e.Retry = core.Retry{Initial: 1, Max: 2, Multiplier: 1, MaxAttempts: 3}
	return y
}

func (y *troubled) handle(ctx *stateway.Context, msg stateway.Message) error {
	if !y.cured.Load() {
		switch id := ctx.Self().ID; {
		case strings.HasPrefix(id, "error"):
			return errors.New("no good")
		case id == "panic":
			panic("no good at all")
		case strings.HasPrefix(id, "hang"):
			y.hung.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}
	}
	ctx.Egress("test/out", stateway.RawPayload("test/id", []byte(ctx.Self().ID)))
	return increment(ctx, msg)
}

func (y *troubled) send(ids ...string) {
	for _, id := range ids {
		y.log.Append("p", ingress.Record{Key: id, Typename: ingress.TypeLong})
	}
}

// good sends to Addresses that do not fail, and waits until all have got theirs.
func (y *troubled) good(x *running, n int) {
	y.t.Helper()
	before := len(y.out.Records())
	for i := range n {
		y.send(fmt.Sprint("good", i%10))
	}
	x.eventually("the good Addresses go on", func() bool { return len(y.out.Records()) >= before+n })
}

func address(id string) core.Address { return core.Address{Type: "test/count", ID: id} }

func (y *troubled) status(x *running, id string) core.AddressInfo {
	y.t.Helper()
	info, err := x.Address(context.Background(), address(id))
	if err != nil {
		y.t.Fatal(err)
	}
	return info
}

// Addresses whose messages cannot be processed are held, are shown with the reasons, stay so over a kill, and go on when an operator
// says so. The others never notice.
func TestHold(t *testing.T) {
	y := newTroubled(t)
	x := y.start().ready()
	y.send("error", "panic", "error", "hang")
	held := func() bool {
		return y.status(x, "error").Status == "held" && y.status(x, "panic").Status == "held"
	}
	y.good(x, 500)
	x.eventually("both are held", held)
	all, err := x.Addresses(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for id, reason := range map[string]string{"error": "no good", "panic": "no good at all"} {
		i := slices.IndexFunc(all, func(a core.AddressInfo) bool { return a.Address == address(id) })
		if i < 0 || all[i].Attempts != 3 || !strings.Contains(strings.Join(all[i].Reasons, "\n"), reason) {
			t.Errorf("%s is not listed with three attempts and its reason: %+v", id, all)
		}
	}
	if got := x.metric("stateway_held_addresses"); got != 2 {
		t.Errorf("%v held Addresses, want 2", got)
	}
	x.eventually("the holds are committed", func() bool { _, at, err := x.State(address("good1")); return err == nil && at > 0 })
	y.good(x, 10)
	x.kill()

	x = y.start().ready()
	x.eventually("both are held again", held)
	if err := x.Resume(t.Context(), address("good1")); err == nil {
		t.Error("resume of an Address that is not held succeeded")
	}
	if err := x.Drop(t.Context(), address("panic")); err != nil {
		t.Error(err)
	}
	if err := x.Drop(t.Context(), address("error")); err != nil { // one of two
		t.Error(err)
	}
	y.cured.Store(true)
	x.eventually("the second message fails or passes", func() bool {
		info := y.status(x, "error")
		if info.Status == "held" {
			_ = x.Resume(t.Context(), address("error"))
		}
		return x.number("test/count", "error", "count") == 1
	})
	if got := x.number("test/count", "panic", "count"); got != 0 {
		t.Errorf("a dropped message counted %d", got)
	}
	y.good(x, 100)
}

// A message that cannot be processed goes to the dead letters, once, and the Address goes on.
func TestDeadLetter(t *testing.T) {
	y := newTroubled(t)
	e := &y.parts.Endpoints[0].Core
	e.OnFailure, e.DeadLetter, e.Retain = core.DeadLetter, 1, 60_000
	x := y.start().ready()
	y.send("error", "panic", "error")
	y.good(x, 200)
	x.eventually("there are three letters", func() bool { return len(y.letter.Records()) == 3 })
	x.kill()
	y.cured.Store(true)
	x = y.start().ready()
	y.send("error")
	x.eventually("the Address goes on", func() bool { return x.number("test/count", "error", "count") == 1 })
	letters := y.letter.Records()
	if len(letters) != 3 {
		t.Errorf("%d letters, want 3", len(letters))
	}
	for _, r := range letters {
		var l core.DeadLetterRecord
		if err := json.Unmarshal(r.Value, &l); err != nil {
			t.Fatal(err)
		}
		if r.Typename != core.DeadLetterType || l.Attempts != 3 || len(l.Reasons) == 0 || !strings.HasPrefix(l.Address, "test/count/") {
			t.Errorf("letter of type %s: %+v", r.Typename, l)
		}
	}
}

// Functions that hang hold up neither others nor a halt beyond its patience; their messages stay.
func TestHang(t *testing.T) {
	y := newTroubled(t)
	x := y.start(func(c *node.Config) { c.HaltPatience = 50 * time.Millisecond }).ready()
	for i := range 20 {
		y.send(fmt.Sprint("hang", i))
	}
	x.eventually("all hang", func() bool { return y.hung.Load() >= 20 })
	y.good(x, 300)
	if got := x.metric("stateway_in_flight"); got != 20 {
		t.Errorf("%v tries under way, want 20", got)
	}
	began := time.Now()
	x.halt()
	if took := time.Since(began); took > patience/2 {
		t.Errorf("the halt took %s", took)
	}
	y.cured.Store(true)
	x = y.start().ready()
	for i := range 20 {
		x.eventually("what hung is invoked again", func() bool { return x.number("test/count", fmt.Sprint("hang", i), "count") == 1 })
	}
}
