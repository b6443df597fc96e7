package node_test

import (
	"strings"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/node"
)

// Without its disk a node invokes the Addresses of a shard that is restored, with their state, while others are still being read.
func TestRestoredShardServesBeforeTheOthers(t *testing.T) {
	const early, late = "early", "late"
	if (core.Address{ID: early}).Hash()>>62 == (core.Address{ID: late}).Hash()>>62 {
		t.Fatalf("%s and %s lie in the same of four shards: the test shows nothing", early, late)
	}
	invoked := make(chan int64, 10)
	app := stateway.New()
	app.Function("test/count", func(ctx *stateway.Context, msg stateway.Message) error {
		n, err := count.Get(ctx)
		invoked <- n
		count.Set(ctx, n+1)
		return err
	}, count)
	r := newRig(t, app)
	d := &door{sink: make(chan ingress.Sink, 1)}
	r.parts.Ingresses = []node.Ingress{{ID: "test/door", Open: func() (ingress.Ingress, error) { return d, nil }}}
	b := newStuck(t)
	r.config.Bucket = b

	x := r.start().ready()
	sink := <-d.sink
	put := func(id string) {
		m := &core.Message{Target: core.Address{Type: "test/count", ID: id}, Arg: ingress.EncodeValue(ingress.TypeLong, nil)}
		if err := sink.Put(t.Context(), ingress.Batch{Messages: []*core.Message{m}}); err != nil {
			t.Fatal(err)
		}
	}
	put(early)
	x.eventually("the first is committed", func() bool { return x.number("test/count", early, "count") == 1 })
	segments := map[string]bool{} // of the other shard only
	b.hang(func(op membucket.Op) bool {
		if creates(op) && strings.Contains(op.Key, "/segments/") {
			segments[op.Key] = true
		}
		return false
	})
	put(late)
	x.eventually("the other is committed", func() bool { return x.number("test/count", late, "count") == 1 })
	x.kill()
	for range 2 {
		<-invoked
	}

	b.hang(func(op membucket.Op) bool { return op.Kind == membucket.OpReadRange && segments[op.Key] })
	x = r.start(func(c *node.Config) { c.Data = t.TempDir() })
	x.eventually("a segment is being read", func() bool { return b.hits.Load() > 0 })
	sink = <-d.sink
	put(early)
	x.eventually("the restored Address is invoked", func() bool { return len(invoked) > 0 })
	if n := <-invoked; n != 1 {
		t.Errorf("invoked with %d, want 1", n)
	}
	x.eventually("one shard alone is awaited", func() bool { return x.Waiting() == "restore of 1 of 4 shards" })
	put(late)
	b.hang(nil)
	x.eventually("the node is ready", func() bool {
		select {
		case b.free <- struct{}{}: // a read that hangs goes on
		default:
		}
		return x.Waiting() == ""
	})
	x.eventually("the late Address is invoked", func() bool { return len(invoked) > 0 })
	if n := <-invoked; n != 1 {
		t.Errorf("invoked with %d, want 1", n)
	}
}
