package node_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
	outside "github.com/stateway/stateway/runtime/egress/memory"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/node"
)

// door is a volatile ingress through which a test puts batches itself, as an HTTP server does.
type door struct{ sink chan ingress.Sink }

func (d *door) Partitions(context.Context, []ingress.Partition) ([]ingress.Partition, error) {
	return []ingress.Partition{{ID: "door", Volatile: true}}, nil
}

func (d *door) Read(ctx context.Context, _ ingress.Partition, sink ingress.Sink) error {
	select {
	case d.sink <- sink:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return ctx.Err()
}

func (*door) Committed(core.CheckpointID, map[string][]byte) {}
func (*door) Close() error                                   { return nil }

// batch is one message to test/count/id, whose sender waits.
func (*door) batch(id string, ack func(error)) ingress.Batch {
	return ingress.Batch{
		Messages: []*core.Message{{
			Target: core.Address{Type: "test/count", ID: id}, Arg: ingress.EncodeValue(ingress.TypeLong, nil), Dedupe: "once " + id,
		}},
		Ack: ack,
	}
}

// newDoor makes a rig whose only ingress is a door.
func newDoor(t *testing.T) (*rig, *door, *outside.World) {
	t.Helper()
	app := stateway.New()
	app.Function("test/count", func(ctx *stateway.Context, msg stateway.Message) error {
		ctx.Egress("test/out", msg.Payload())
		return increment(ctx, msg)
	}, count)
	r := newRig(t, app)
	d := &door{sink: make(chan ingress.Sink, 1)}
	w := outside.NewWorld(1)
	r.parts.Ingresses = []node.Ingress{{ID: "test/door", Open: func() (ingress.Ingress, error) { return d, nil }}}
	r.publishes("test/out", w)
	return r, d, w
}

// put puts a message for id and returns where the answer comes.
func (d *door) put(t *testing.T, sink ingress.Sink, id string) <-chan error {
	t.Helper()
	answer := make(chan error, 2) // room for one too many
	if err := sink.Put(t.Context(), d.batch(id, func(err error) { answer <- err })); err != nil {
		t.Fatal(err)
	}
	return answer
}

// The answer comes after the commit and not before; when the node ends without it, the answer says that nobody knows.
func TestAckAfterCommit(t *testing.T) {
	r, d, w := newDoor(t)
	var closed atomic.Bool
	r.config.Bucket = &membucket.Faulty{Under: &membucket.Bucket{}, Hook: func(op membucket.Op) membucket.Fault {
		if closed.Load() && op.Kind == membucket.OpCreate && strings.Contains(op.Key, "/control/") {
			return membucket.Fault{Before: membucket.ErrInjected}
		}
		return membucket.Fault{}
	}}
	x := r.start().ready()
	sink := <-d.sink
	if err := <-d.put(t, sink, "a"); err != nil {
		t.Fatal(err)
	}
	closed.Store(true)
	answer := d.put(t, sink, "b")
	x.eventually("the message was consumed", func() bool { return x.metric("stateway_messages_consumed_total") == 2 })
	x.eventually("a checkpoint has begun", func() bool { return x.metric("stateway_segments_total") >= 2 })
	select {
	case err := <-answer:
		t.Fatalf("answered %v before the commit", err)
	default:
	}
	if got := len(w.Records()); got > 1 {
		t.Errorf("%d records are out before their commit", got-1)
	}
	x.kill()
	if err := <-answer; !errors.Is(err, ingress.ErrStopped) {
		t.Errorf("got %v, want %v", err, ingress.ErrStopped)
	}
	if err := sink.Put(t.Context(), d.batch("c", nil)); !errors.Is(err, ingress.ErrStopped) {
		t.Errorf("put after the end: got %v, want %v", err, ingress.ErrStopped)
	}
}

// A repeat is dropped and answered, also by the next process, with its disk or without.
func TestDedupeOverRestarts(t *testing.T) {
	r, d, w := newDoor(t)
	for i, end := range []func(*running){(*running).halt, (*running).kill, (*running).halt} {
		x := r.start().ready()
		sink := <-d.sink
		for range 3 {
			if err := <-d.put(t, sink, "a"); err != nil {
				t.Fatal(err)
			}
		}
		x.eventually("the state is stored", func() bool { return x.number("test/count", "a", "count") == 1 })
		x.eventually("its record is out", func() bool { return len(w.Records()) == 1 })
		if i > 0 && x.metric("stateway_repeats_total") != 3 {
			t.Errorf("%v repeats, want 3", x.metric("stateway_repeats_total"))
		}
		end(x)
	}
}
