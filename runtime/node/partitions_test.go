package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	source "github.com/stateway/stateway/runtime/ingress/memory"
	"github.com/stateway/stateway/runtime/node"
)

// partition finds one partition of the only ingress.
func (x *running) partition(id string) node.PartitionStatus {
	x.t.Helper()
	all, err := x.Ingresses()
	if err != nil {
		return node.PartitionStatus{}
	}
	for _, p := range all[0].Partitions {
		if p.Partition == id {
			return p
		}
	}
	return node.PartitionStatus{}
}

// What an operator sees of partitions whose driver reports nothing: what is committed, and what the node met when it read them.
func TestIngressesAreTold(t *testing.T) {
	r := newRig(t, counters())
	refuse := func(rec ingress.Record, out []*core.Message) ([]*core.Message, error) {
		if rec.Key == "bad" {
			return out, errors.New("it is bad")
		}
		return ingress.Targets("test/count")(rec, out)
	}
	log := source.NewLog(source.Options{Router: refuse})
	for _, id := range []string{"ends", "fails", "good", "holds"} {
		log.AddPartition(id)
	}
	r.reads("test/log", log)
	if _, err := r.make().Ingresses(); !errors.Is(err, node.ErrNotLeading) {
		t.Errorf("before the start: %v", err)
	}
	x := r.start().ready()
	log.Append("good", record("a"), record("a"))
	log.Append("holds", record("bad"))
	log.Fail("fails", errors.New("no connection"))
	log.Append("fails", record("a"))
	log.End("ends")
	state := func(id string) ingress.PartitionState { return x.partition(id).State }
	x.eventually("each has its state", func() bool {
		return state("ends") == ingress.PartitionEnded && state("fails") == node.PartitionFailing &&
			state("good") == ingress.PartitionReading && state("holds") == ingress.PartitionHeld
	})
	x.eventually("the position is committed", func() bool { return x.partition("good").Position == "0x0000000000000002" })
	if p := x.partition("holds"); !strings.Contains(p.Reason, "it is bad") || p.Reported || p.Lag >= 0 {
		t.Errorf("held: %+v", p)
	}
	if p := x.partition("fails"); !strings.Contains(p.Reason, "no connection") {
		t.Errorf("failing: %+v", p)
	}
	if got := x.metric("stateway_ingress_partitions"); got != 4 {
		t.Errorf("the metric counts %v partitions", got)
	}
}

// reporter is a driver that reports.
type reporter struct {
	ingress.Ingress
	unlisted *atomic.Bool
}

func (r *reporter) Partitions(ctx context.Context, known []ingress.Partition) ([]ingress.Partition, error) {
	if r.unlisted.Load() {
		return nil, errors.New("there is no stream orders")
	}
	return r.Ingress.Partitions(ctx, known)
}

func (r *reporter) Report() []ingress.PartitionReport {
	return []ingress.PartitionReport{
		{Partition: "p", Stream: "orders", Shard: "0", State: ingress.PartitionReading, Lag: 1500 * time.Millisecond, Records: 7, Bytes: 70, Throttles: 2},
		{Partition: "q", Stream: "orders", Shard: "1", State: ingress.PartitionWaiting, Reason: "begins when 0 ends", Lag: -1},
	}
}

func (r *reporter) Words(position []byte) string {
	n, err := source.Offset(position)
	return fmt.Sprintf("before record %d (%v)", n, err)
}

// What a driver reports is told and measured. A stream that is not there keeps the node waiting with the reason, and ends nothing.
func TestReportsAreTold(t *testing.T) {
	r := newRig(t, counters())
	log := source.NewLog(source.Options{Router: ingress.Targets("test/count")})
	log.AddPartition("p")
	var unlisted atomic.Bool
	unlisted.Store(true)
	r.parts.Ingresses = append(r.parts.Ingresses, node.Ingress{
		ID: "test/log", Open: func() (ingress.Ingress, error) { return &reporter{source.Open(log), &unlisted}, nil },
	})
	x := r.start()
	x.eventually("the reason is told", func() bool {
		return x.Waiting() == "ingresses to list their partitions (test/log: there is no stream orders)"
	})
	if all, err := x.Ingresses(); err != nil || all[0].Problem != "there is no stream orders" {
		t.Errorf("got %+v, %v", all, err)
	}
	unlisted.Store(false)
	x.ready()
	log.Append("p", record("a"))
	x.eventually("the position is committed", func() bool { return x.partition("p").Position == "before record 1 (<nil>)" })
	if p := x.partition("p"); !p.Reported || p.Stream != "orders" || p.Records != 7 || p.Lag != 1500*time.Millisecond {
		t.Errorf("got %+v", p)
	}
	if p := x.partition("q"); p.State != ingress.PartitionWaiting || p.Reason == "" || p.Position != "" {
		t.Errorf("got %+v", p)
	}
	for name, want := range map[string]float64{
		"stateway_ingress_behind_seconds": 1.5, "stateway_ingress_records_total": 7, "stateway_ingress_bytes_total": 70,
		"stateway_ingress_throttles_total": 2, "stateway_ingress_partitions": 2,
	} {
		if got := x.metric(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// unlisting is a driver that never lists its partitions, and counts how often it is asked.
type unlisting struct {
	ingress.Ingress
	asked *atomic.Int64
}

func (u *unlisting) Partitions(context.Context, []ingress.Partition) ([]ingress.Partition, error) {
	u.asked.Add(1)
	return nil, errors.New("there is no stream orders")
}

// That partitions cannot be listed is logged at once, and then now and then, however often it is tried.
func TestUnlistedPartitionsAreLoggedNowAndThen(t *testing.T) {
	r := newRig(t, counters())
	var lines lineCounter
	r.config.Log = slog.New(slog.NewTextHandler(&lines, nil))
	var asked atomic.Int64
	r.parts.Ingresses = append(r.parts.Ingresses, node.Ingress{ID: "test/log", Open: func() (ingress.Ingress, error) {
		return &unlisting{source.Open(source.NewLog(source.Options{Router: ingress.Targets("test/count")})), &asked}, nil
	}})
	x := r.start()
	x.eventually("it was asked often", func() bool { return asked.Load() >= 6 })
	if n := lines.of("cannot be listed yet"); n < 1 || 3*n > asked.Load() {
		t.Errorf("%d lines about %d tries", n, asked.Load())
	}
}

// endless is a driver whose listing lasts until the node ends.
type endless struct {
	ingress.Ingress
	asked *atomic.Int64
}

func (e *endless) Partitions(ctx context.Context, _ []ingress.Partition) ([]ingress.Partition, error) {
	e.asked.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// A listing that the node's own end cuts short is no trouble of the ingress, and not logged as one.
func TestListingCutShortByTheEndIsNotLogged(t *testing.T) {
	r := newRig(t, counters())
	var lines lineCounter
	r.config.Log = slog.New(slog.NewTextHandler(&lines, nil))
	var asked atomic.Int64
	r.parts.Ingresses = append(r.parts.Ingresses, node.Ingress{ID: "test/log", Open: func() (ingress.Ingress, error) {
		return &endless{source.Open(source.NewLog(source.Options{Router: ingress.Targets("test/count")})), &asked}, nil
	}})
	x := r.start()
	x.eventually("it is asked", func() bool { return asked.Load() > 0 })
	x.halt()
	if n := lines.of("cannot be listed yet"); n > 0 {
		t.Errorf("%d lines about a listing that the end cut short", n)
	}
}

// lineCounter keeps the lines of a log.
type lineCounter struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (c *lineCounter) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, string(b))
	return len(b), nil
}

// of counts the lines that hold text.
func (c *lineCounter) of(text string) (n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}
