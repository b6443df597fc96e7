package kinesis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/stateway/stateway/internal/kinesistest"
	"github.com/stateway/stateway/internal/kpl"
)

// world is a stream with producers, and a node that crashes.
type world struct {
	t       *testing.T
	service *kinesistest.Service
	opts    Options
	node    *node
	most    int
	tokens  chan struct{}
	sent    map[string]int // records by key
}

const worldKeys = 12

func newWorld(t *testing.T, rt *rapid.T) *world {
	w := &world{
		t: t, sent: map[string]int{}, tokens: make(chan struct{}, 1000),
		most: rapid.IntRange(1, 4).Draw(rt, "records a batch"),
		service: kinesistest.New(kinesistest.Options{
			NoChildShards: rapid.Bool().Draw(rt, "no child shards"),
			EmptyEvery:    rapid.SampledFrom([]int{0, 3}).Draw(rt, "empty every"),
			Quotas:        rapid.Bool().Draw(rt, "quotas"),
			ShardsPerPage: 3,
		}),
	}
	w.service.Create("s", 2)
	w.opts = plain(w.service)
	w.opts.Mode = rapid.SampledFrom([]Mode{Polling, Auto, FanOut}).Draw(rt, "mode")
	w.node = newNode(t, w.opts)
	w.node.credit = w.credit
	w.node.in.most = w.most
	return w
}

func (w *world) credit(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.tokens:
		return nil
	}
}

func (w *world) value(key string) []byte {
	w.sent[key]++
	return fmt.Append(nil, w.sent[key])
}

// put writes a plain record, or an aggregate of keys that go to one shard.
func (w *world) put(rt *rapid.T) {
	key := func(i int) string { return fmt.Sprint("key-", i) }
	first := key(rapid.IntRange(0, worldKeys-1).Draw(rt, "key"))
	if rapid.Bool().Draw(rt, "plain") {
		w.service.Put("s", first, w.value(first))
		return
	}
	var mine []string
	for i := range worldKeys {
		if w.shardOf(key(i)) == w.shardOf(first) {
			mine = append(mine, key(i))
		}
	}
	var a kpl.Aggregator
	for range rapid.IntRange(1, 9).Draw(rt, "records") {
		k := rapid.SampledFrom(mine).Draw(rt, "member")
		a.Add(k, "", w.value(k))
	}
	w.service.PutHashed("s", "a", kpl.HashOf(first).String(), a.AppendTo(nil))
}

// shardOf is the open shard that takes a key, as the service lists it.
func (w *world) shardOf(key string) string {
	id, _ := w.service.Put("probe", key, nil)
	return id
}

func (w *world) reshard(rt *rapid.T) {
	open := w.service.Open("s")
	if len(open) > 6 || (len(open) > 1 && rapid.Bool().Draw(rt, "merge")) {
		i := rapid.IntRange(0, len(open)-2).Draw(rt, "which")
		w.must(w.service.Merge("s", open[i], open[i+1]))
		w.must(w.service.Merge("probe", open[i], open[i+1]))
		return
	}
	i := rapid.IntRange(0, len(open)-1).Draw(rt, "which")
	w.must(w.service.Split("s", open[i]))
	w.must(w.service.Split("probe", open[i]))
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) step(rt *rapid.T) {
	switch rapid.IntRange(0, 7).Draw(rt, "step") {
	case 0, 1, 2:
		w.put(rt)
	case 3:
		w.reshard(rt)
	case 4, 5:
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			w.tokens <- struct{}{}
		}
		time.Sleep(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond)
		synctest.Wait()
	case 6:
		w.node.commit()
		w.must(w.node.discover())
	case 7:
		w.node.crash(w.opts)
		w.node.in.most = w.most
		for len(w.tokens) > 0 {
			<-w.tokens
		}
		w.must(w.node.discover())
	}
}

// finish reads everything and checks that each key's records came in order, once.
func (w *world) finish(rt *rapid.T) {
	close(w.tokens)
	total := 0
	for _, n := range w.sent {
		total += n
	}
	for range 40 {
		w.node.commit()
		w.must(w.node.discover())
		time.Sleep(20 * time.Second)
		if len(w.node.texts()) == total {
			break
		}
	}
	got := map[string][]string{}
	for _, text := range w.node.texts() {
		key, n, _ := strings.Cut(text, "=")
		got[key] = append(got[key], n)
	}
	for key, n := range w.sent {
		var want []string
		for i := range n {
			want = append(want, fmt.Sprint(i+1))
		}
		if !slices.Equal(got[key], want) {
			rt.Fatalf("%s: got %v, want %v (last error %v, partitions %+v)", key, got[key], want, w.node.failure(), w.node.in.Report())
		}
	}
}

// TestEveryRecordOnceInOrder puts plain and aggregated records, reshards, takes a few batches at a time, commits and crashes.
func TestEveryRecordOnceInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			w := newWorld(t, rt)
			defer func() { w.node.halt() }()
			w.service.Create("probe", 2)
			w.must(w.node.discover())
			for range rapid.IntRange(5, 60).Draw(rt, "steps") {
				w.step(rt)
			}
			w.finish(rt)
		})
	})
}
