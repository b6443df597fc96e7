package kinesis

import (
	"context"
	"crypto/md5" //nolint:gosec // the format's checksum
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kinesistest"
	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/ingress"
)

// weighing is a sink that forgets batches and weighs the heap now and then.
type weighing struct {
	in       *Ingress
	batches  int
	messages int
	letters  int
	heap     uint64 // the most that lived, bytes
	admitted int64  // the least that was left of the budget
}

func (w *weighing) Put(_ context.Context, b ingress.Batch) error {
	if w.batches%200 == 0 {
		w.heap = max(w.heap, liveHeap())
	}
	w.batches++
	w.messages += len(b.Messages)
	w.letters += len(b.Records)
	w.in.buffers.mu.Lock()
	defer w.in.buffers.mu.Unlock()
	w.admitted = min(w.admitted, w.in.buffers.left)
	return nil
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// However many records a producer puts into an aggregate, they are taken apart within the memory that is admitted.
func TestHostileAggregatesAreReadWithinTheBudget(t *testing.T) {
	const size = 10 << 20
	seal := func(message string) []byte {
		sum := md5.Sum([]byte(message)) //nolint:gosec // see above
		return []byte("\xf3\x89\x9a\xc2" + message + string(sum[:]))
	}
	for name, tt := range map[string]struct {
		data              []byte
		messages, letters int
		heap              uint64
		admitted          int64
	}{
		"the smallest records":    {seal("\x0a\x01k" + strings.Repeat("\x1a\x04\x08\x00\x1a\x00", size/6)), size / 6, 0, 8 << 20, -1 << 10},
		"the smallest keys":       {seal(strings.Repeat("\x0a\x00", size/2) + "\x0a\x01k\x1a\x08\x08\x80\x80\xc0\x02\x1a\x01v"), 1, 0, 24 << 20, -2*size - 1<<20},
		"keys, and then damage":   {seal(strings.Repeat("\x0a\x00", size/2) + "\x1a"), 0, 1, 40 << 20, 0},
		"the smallest, all wrong": {seal("\x0a\x00" + strings.Repeat("\x1a\x04\x08\x00\x1a\x00", size/60)), 0, size / 60, 8 << 20, -1 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			o := plain(kinesistest.New(kinesistest.Options{}))
			o.DeadLetter = "a/b"
			g := mustOpen(t, o)
			g.streams[0].ranges = map[string]hashRange{"x": {high: kpl.MaxHash}}
			sink := &weighing{in: g}
			r, err := newReader(g, g.streams[0], "x", ingress.Partition{ID: "s/x", Position: []byte{1, 0, 0, 0}}, sink)
			if err != nil {
				t.Fatal(err)
			}
			g.buffers.left = 0
			before := liveHeap()
			r.hold([]types.Record{{PartitionKey: aws.String("k"), SequenceNumber: aws.String("4965"), Data: tt.data}}, 0)
			if err := r.consume(t.Context()); err != nil {
				t.Fatal(err)
			}
			if sink.messages != tt.messages || sink.letters != tt.letters {
				t.Errorf("%d messages and %d letters, want %d and %d", sink.messages, sink.letters, tt.messages, tt.letters)
			}
			if took := int64(sink.heap) - int64(before); took > int64(tt.heap) { //nolint:gosec // far below
				t.Errorf("%d bytes lived beside the record, want %d at most", took, tt.heap)
			}
			if sink.admitted < tt.admitted || g.buffers.left != 0 {
				t.Errorf("the budget fell to %d, want %d at least; in the end %d", sink.admitted, tt.admitted, g.buffers.left)
			}
			if room := r.opened.Room(); room > 1<<16 {
				t.Errorf("%d bytes are kept for the next aggregate", room)
			}
		})
	}
}

// Each record of an aggregate counts in the shard that takes its key, also when there are more keys than are remembered, and those come again.
func TestManyKeysWithinAnAggregate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 2, kinesistest.Options{}, nil)
		defer n.halt()
		var a kpl.Aggregator
		want := map[string]int{}
		for round := range 2 {
			for i := range 2 * knownKeys {
				key := fmt.Sprint("key", i)
				a.Add(key, "", fmt.Append(nil, round))
				want[fmt.Sprint(key, "=", round)] = 1
			}
		}
		for range 2 { // an aggregate that another one follows
			service.PutHashed("s", "a", "0", a.AppendTo(nil))
		}
		service.PutHashed("s", "a", kpl.MaxHash.String(), a.AppendTo(nil))
		time.Sleep(time.Minute)
		low, high := 0, 0
		got := map[string]int{}
		for _, text := range n.texts() {
			got[text]++
			key, _, _ := strings.Cut(text, "=")
			if kpl.HashOf(key).Hi < 1<<63 {
				low++
			} else {
				high++
			}
		}
		if len(got) != len(want) || low+2*high != 2*len(want) {
			t.Errorf("%d records of %d, %d of them in the first shard and %d in the second; last error %v", len(got), len(want), low, high, n.failure())
		}
	})
}
