package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateway/stateway/internal/kinesistest"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/ingresstest"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// plain are options that read one stream, "s", from its beginning by polling.
func plain(api API) Options {
	return Options{
		API: api, Mode: Polling, ConsumerName: "app", Startup: Startup{Kind: lineage.Earliest}, Random: func() float64 { return 0.5 },
		Streams: []Stream{{Stream: "s", ValueType: "x/raw", Targets: []core.FunctionType{"a/b"}}},
	}
}

func mustOpen(t testing.TB, o Options) *Ingress {
	t.Helper()
	g, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"polling": func(*Options) {},
		"fan-out": func(o *Options) { o.Mode = FanOut },
		"auto":    func(o *Options) { o.Mode = Auto },
		"arn":     func(o *Options) { o.Streams[0].Stream = kinesistest.ARN("s") },
	} {
		for _, ends := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/ends=%v", name, ends), func(t *testing.T) {
				ingresstest.Run(t, func(t *testing.T) ingresstest.Setup { return conformanceWorld(t, change, ends) })
			})
		}
	}
}

func conformanceWorld(t *testing.T, change func(*Options), ends bool) ingresstest.Setup {
	service := kinesistest.New(kinesistest.Options{})
	service.Create("s", 3)
	o := plain(service)
	change(&o)
	counts := make([]int, 3)
	for i := 0; counts[0] < 1300 || counts[1] < 3 || counts[2] < 3; i++ {
		shard, _ := service.Put("s", fmt.Sprint("key", i), fmt.Append(nil, i))
		counts[shard[len(shard)-1]-'0']++
	}
	if o.Mode != Polling { // The consumer is there, and a subscription is old enough to be replaced.
		in := mustOpen(t, o)
		if _, err := in.streams[0].consumer.ready(t.Context(), in, in.streams[0]); err != nil {
			t.Fatal(err)
		}
	}
	if ends {
		for _, id := range service.Open("s") {
			if err := service.Split("s", id); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ingresstest.Setup{
		Open: func(t *testing.T) ingress.Ingress { return mustOpen(t, o) }, Records: counts, Ends: ends,
	}
}

// node drives an ingress as runtime/node does: it fixes starts, keeps positions, restarts reads, and commits when told to.
type node struct {
	t       testing.TB
	in      *Ingress
	pauses  time.Duration
	credit  func(ctx context.Context) error // before each batch is taken
	longest int                             // letter that the egress takes; zero: any
	mu      sync.Mutex
	running map[string]bool
	parts   map[string]ingress.Partition // newest positions
	got     []*core.Message
	letters []core.EgressRecord
	batches int
	errs    []error
	reads   sync.WaitGroup
	ctx     context.Context
	stop    context.CancelFunc

	committed map[string]ingress.Partition
	done      []*core.Message // of the commit
}

func newNode(t testing.TB, o Options) *node {
	n := &node{t: t, in: mustOpen(t, o), pauses: time.Second, running: map[string]bool{}, parts: map[string]ingress.Partition{}, committed: map[string]ingress.Partition{}}
	n.ctx, n.stop = context.WithCancel(t.Context())
	return n
}

// discover lists the partitions and reads new ones.
func (n *node) discover() error {
	n.mu.Lock()
	var known []ingress.Partition
	for _, p := range n.committed {
		known = append(known, p)
	}
	n.mu.Unlock()
	slices.SortFunc(known, func(a, b ingress.Partition) int { return strings.Compare(a.ID, b.ID) })
	parts, err := n.in.Partitions(n.ctx, known)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	listed := map[string]bool{}
	for _, p := range parts {
		listed[p.ID] = true
		if n.running[p.ID] {
			continue
		}
		n.running[p.ID] = true
		n.parts[p.ID] = p
		if _, ok := n.committed[p.ID]; !ok {
			n.committed[p.ID] = p // Its start is fixed.
		}
		if !p.Ended {
			n.reads.Go(func() { n.read(p) })
		}
	}
	for id, p := range n.committed {
		if p.Ended && !listed[id] {
			delete(n.committed, id)
			delete(n.parts, id)
		}
	}
	return nil
}

func (n *node) read(p ingress.Partition) {
	for {
		err := n.in.Read(n.ctx, p, sinkOf{n, p.ID})
		n.mu.Lock()
		p = n.parts[p.ID]
		if errors.Is(err, ingress.ErrEnded) {
			p.Ended = true
			n.parts[p.ID] = p
		} else if n.ctx.Err() == nil {
			n.errs = append(n.errs, err)
		}
		n.mu.Unlock()
		if errors.Is(err, ingress.ErrEnded) || !sleep(n.ctx, n.pauses) {
			return
		}
	}
}

type sinkOf struct {
	n  *node
	id string
}

func (s sinkOf) Put(ctx context.Context, b ingress.Batch) error {
	if s.n.credit != nil {
		if err := s.n.credit(ctx); err != nil {
			return err
		}
	}
	for _, l := range b.Records {
		if s.n.longest > 0 && len(l.Arg) > s.n.longest {
			return fmt.Errorf("%d bytes: %w", len(l.Arg), ingress.ErrUnfit)
		}
	}
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	size := int64(0)
	for _, m := range b.Messages {
		size += m.Size()
	}
	if len(b.Messages) > 1 && size > ingress.MaxBatchBytes {
		s.n.t.Errorf("a batch of %d messages has %d bytes", len(b.Messages), size)
	}
	s.n.parts[s.id] = ingress.Partition{ID: s.id, Position: b.Position}
	s.n.got = append(s.n.got, b.Messages...)
	s.n.letters = append(s.n.letters, b.Records...)
	s.n.batches++
	return nil
}

// commit makes a checkpoint of everything.
func (n *node) commit() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.committed = map[string]ingress.Partition{}
	for id, p := range n.parts {
		n.committed[id] = p
	}
	n.done = slices.Clone(n.got)
}

// crash loses what no checkpoint holds, and opens the ingress anew.
func (n *node) crash(o Options) {
	n.halt()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.in = mustOpen(n.t, o)
	n.got = slices.Clone(n.done)
	n.running, n.parts = map[string]bool{}, map[string]ingress.Partition{}
	for id, p := range n.committed {
		n.parts[id] = p
	}
	n.ctx, n.stop = context.WithCancel(n.t.Context())
}

func (n *node) halt() {
	n.stop()
	n.reads.Wait()
}

// run discovers, reads and commits for so long.
func (n *node) run(rounds int, each time.Duration) {
	for range rounds {
		if err := n.discover(); err != nil {
			n.t.Fatal(err)
		}
		time.Sleep(each)
		n.commit()
	}
}

// texts are the messages' keys and payloads.
func (n *node) texts() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, m := range n.got {
		out = append(out, m.Target.ID+"="+payload(m))
	}
	return out
}

// payload cuts the value out of a message of type x/raw.
func payload(m *core.Message) string {
	head := len(ingress.EncodeValue("x/raw", []byte{0})) - 2
	b := []byte(m.Arg)[head:]
	for b[0]&0x80 != 0 {
		b = b[1:]
	}
	return string(b[1:])
}

func (n *node) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.errs) == 0 {
		return nil
	}
	return n.errs[len(n.errs)-1]
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
