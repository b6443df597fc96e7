package kinesis

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stateway/stateway/test/aws/kinesis/numbers"
	"github.com/stateway/stateway/test/harness"
)

// step is a change of the shards, or a restart of the node.
type step struct {
	name string
	do   func(context.Context, numbers.Shards) error // nil is a restart
}

var restart = step{name: "restart"}

func split(i int) step {
	return step{fmt.Sprintf("split %d", i), func(ctx context.Context, s numbers.Shards) error { return s.Split(ctx, i) }}
}

func merge(i int) step {
	return step{fmt.Sprintf("merge %d", i), func(ctx context.Context, s numbers.Shards) error { return s.Merge(ctx, i) }}
}

func update(n int32) step {
	return step{fmt.Sprintf("update to %d", n), func(ctx context.Context, s numbers.Shards) error { return s.Update(ctx, n) }}
}

// TestResharding changes shards while records are put and read: of every key they arrive in order, once.
func TestResharding(t *testing.T) {
	ofLocal := []step{split(0), merge(1), update(4), restart, update(2), split(1), restart, split(2), merge(0), update(5)}
	ofLite := []step{split(0), merge(1), restart, split(1), split(0), merge(2), restart, split(2)}
	for _, c := range []struct {
		name  string
		start func(testing.TB) *harness.KinesisServer
		keys  string // of the ingress
		steps []step
		hasty bool // all steps one after the other, before their records are read
	}{
		{"kinesis-local, polling", harness.KinesisLocal, "mode: polling", ofLocal, false},
		{"kinesis-local, polling, a chain at once", harness.KinesisLocal, "mode: polling", ofLocal, true},
		{"kinesis-local, fan-out", harness.KinesisLocal, "mode: fanOut", []step{split(0), restart, merge(1), update(4)}, false},
		{"kinesis-local, fan-out, a chain at once", harness.KinesisLocal, "mode: fanOut", []step{update(4), merge(1), restart, split(0), update(2)}, true},
		{"kinesalite", harness.Kinesalite, "mode: polling", ofLite, false},
		{"kinesalite, a chain at once", harness.Kinesalite, "mode: auto", ofLite, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := c.start(t)
			client := server.Client()
			must(t, client.CreateStream(t.Context(), "numbers", 2))
			s := newStage(t, reading(harness.FanOut(t, server.Endpoint), c.keys+`
startupPosition: {type: earliest}
streams:
  - {stream: numbers, valueType: test/Record, targets: [test/count]}`))
			s.run()
			p := &numbers.Producer{Client: client, Stream: "numbers", Keys: 24}
			for _, step := range c.steps {
				end := p.Start(t.Context(), 10*time.Millisecond)
				if step.do == nil {
					s.stop()
					s.run()
				} else if err := step.do(t.Context(), numbers.Shards{Client: client, Stream: "numbers"}); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
				must(t, end())
				if !c.hasty {
					s.expect(numbers.Count, p)
				}
			}
			rounds(t, p, 3)
			s.expect(numbers.Count, p)
			t.Logf("%d records of each of %d keys", p.Sent(), p.Keys)
		})
	}
}
