package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	source "github.com/stateway/stateway/runtime/ingress/memory"
)

// counters serves test/count and test/other, which count.
func counters() *stateway.App {
	app := stateway.New()
	app.Function("test/count", increment, count)
	app.Function("test/other", increment, count)
	return app
}

// record is a record for an id.
func record(id string) ingress.Record { return ingress.Record{Key: id, Typename: ingress.TypeLong} }

// Routers drop, pass on and fan out, several for one stream, and several ingresses feed the same Addresses.
func TestRouters(t *testing.T) {
	r := newRig(t, counters())
	pick := func(rec ingress.Record, out []*core.Message) ([]*core.Message, error) {
		switch {
		case strings.HasPrefix(rec.Key, "drop"):
			return out, nil
		case strings.HasPrefix(rec.Key, "fan"):
			return ingress.Targets("test/count", "test/count", "test/other")(rec, out)
		}
		return ingress.Targets("test/count")(rec, out)
	}
	first := source.NewLog(source.Options{Router: ingress.Chain(pick, ingress.Targets("test/other"))})
	second := source.NewLog(source.Options{Router: ingress.Targets("test/count")})
	first.AddPartition("p")
	second.AddPartition("p") // of the same name, in another ingress
	r.reads("test/first", first)
	r.reads("test/second", second)
	x := r.start().ready()
	for range 10 {
		first.Append("p", record("drop"), record("pass"), record("fan"))
		second.Append("p", record("pass"))
	}
	x.kill()
	x = r.start().ready()
	for _, want := range []struct {
		address string
		count   int64
	}{
		{"test/count/drop", 0},
		{"test/other/drop", 10},
		{"test/count/pass", 20},
		{"test/other/pass", 10},
		{"test/count/fan", 20},
		{"test/other/fan", 20},
	} {
		i := strings.LastIndexByte(want.address, '/')
		typ, id := want.address[:i], want.address[i+1:]
		x.eventually(fmt.Sprintf("%s counted %d", want.address, want.count), func() bool { return x.number(typ, id, "count") == want.count })
	}
}

// An end is remembered, children are read when it has committed, and partitions that appear are found, over restarts.
func TestPartitionsEndAndAppear(t *testing.T) {
	r := newRig(t, counters())
	log := source.NewLog(source.Options{Router: ingress.Targets("test/count")})
	log.AddPartition("parent")
	r.reads("test/log", log)
	x := r.start().ready()
	log.AddPartition("child", "parent")
	log.Append("child", record("a"))
	log.Append("parent", record("a"), record("a"))
	x.eventually("the parent is read", func() bool { return x.number("test/count", "a", "count") == 2 })
	log.End("parent")
	x.eventually("the child is read", func() bool { return x.number("test/count", "a", "count") == 3 })
	x.kill()
	log.AddPartition("late")
	log.Append("late", record("a"))
	x = r.start().ready()
	x.eventually("the late partition is read, and nothing again", func() bool { return x.number("test/count", "a", "count") == 4 })
	log.Forget("parent")
	log.Append("child", record("a"))
	x.eventually("the child goes on", func() bool { return x.number("test/count", "a", "count") == 5 })
	x.halt()
	x = r.start().ready()
	log.Append("late", record("b"))
	x.eventually("the late partition goes on", func() bool { return x.number("test/count", "b", "count") == 1 })
	if got := x.number("test/count", "a", "count"); got != 5 {
		t.Errorf("a counted %d, want 5", got)
	}
}

// A partition that fails is read again from where it was; the others go on meanwhile.
func TestPartitionFails(t *testing.T) {
	r := newRig(t, counters())
	log := source.NewLog(source.Options{Router: ingress.Targets("test/count")})
	log.AddPartition("good")
	log.AddPartition("bad")
	r.reads("test/log", log)
	log.Append("bad", record("bad"))
	x := r.start().ready()
	x.eventually("the bad partition is read", func() bool { return x.number("test/count", "bad", "count") == 1 })
	log.Fail("bad", errors.New("no connection"))
	log.Append("bad", record("bad"), record("bad"))
	log.Append("good", record("good"))
	x.eventually("the good partition goes on", func() bool { return x.number("test/count", "good", "count") == 1 })
	log.Fail("bad", nil)
	x.eventually("the bad partition goes on", func() bool { return x.number("test/count", "bad", "count") == 3 })
}

// The start of a partition is fixed before it is read: a kill before the first record does not skip.
func TestLatestIsFixed(t *testing.T) {
	r := newRig(t, counters())
	log := source.NewLog(source.Options{Router: ingress.Targets("test/count"), Latest: true})
	log.AddPartition("p")
	log.Append("p", record("before"))
	r.reads("test/log", log)
	x := r.start().ready()
	x.eventually("the start is committed", func() bool { _, at := log.Committed(); return at["p"] != nil })
	x.kill()
	log.Append("p", record("after"))
	x = r.start().ready()
	x.eventually("what came meanwhile is read", func() bool { return x.number("test/count", "after", "count") == 1 })
	if got := x.number("test/count", "before", "count"); got != 0 {
		t.Errorf("what was there before counted %d", got)
	}
}

// Questions about Addresses end with the caller's patience.
func TestQuestionsEnd(t *testing.T) {
	r := newRig(t, counters())
	x := r.start().ready()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.Addresses(ctx, 1); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	info, err := x.Address(t.Context(), core.Address{Type: "test/count", ID: "nobody"})
	if err != nil || info.Status != "not in memory" {
		t.Errorf("got %+v, %v", info, err)
	}
	x.halt()
	if err := x.Resume(t.Context(), core.Address{Type: "test/count", ID: "nobody"}); err == nil {
		t.Error("a node that has ended resumes")
	}
}
