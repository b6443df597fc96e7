package kinesis

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/embed"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
	"github.com/stateway/stateway/test/aws/kinesis/numbers"
	"github.com/stateway/stateway/test/harness"
)

// reading is a module with an ingress test/in; keys are those of its spec.
func reading(endpoint, keys string) string {
	return fmt.Sprintf(`kind: io.statefun.kinesis.v1/ingress
spec:
  id: test/in
  %s
  clientConfigProperties:
    - flink.shard.getrecords.intervalmillis: 100
  %s
`, numbers.Login(endpoint), strings.ReplaceAll(strings.TrimSpace(keys), "\n", "\n  "))
}

// stage is an application whose node is started and stopped.
type stage struct {
	t   *testing.T
	cfg embed.Config
	log *syncBuffer
	*node.Node
	stop func() // the node in order; set while it runs
}

func newStage(t *testing.T, modules ...string) *stage {
	s := &stage{t: t, log: &syncBuffer{}}
	s.cfg = embed.Config{
		Functions: numbers.App(), Dir: t.TempDir(), Shards: 8, Workers: 2, CheckpointEvery: 20 * time.Millisecond, Application: "test",
		Log:     slog.New(slog.NewTextHandler(s.log, nil)),
		Modules: []module.Source{{Name: "module.yaml", Data: []byte(strings.Join(modules, "---\n"))}},
	}
	t.Cleanup(func() {
		if s.stop != nil {
			s.stop()
		}
		if t.Failed() {
			t.Logf("the node's log:\n%s", s.log.tail())
		}
	})
	return s
}

// run starts the node.
func (s *stage) run() {
	s.t.Helper()
	n, err := embed.New(s.cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	s.Node = n
	s.stop = func() {
		s.stop = nil
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the node ended: %v", err)
		}
	}
}

// settled waits until every shard of the ingress is read, or has ended.
func (s *stage) settled() {
	s.t.Helper()
	var said string
	harness.Eventually(s.t, waitFor, func() bool {
		all, err := s.Ingresses()
		said = fmt.Sprint(all, err)
		for _, in := range all {
			if len(in.Partitions) == 0 {
				return false
			}
			for _, p := range in.Partitions {
				if p.State != "ended" && (p.State != "reading" || p.Position == "" || p.Lag < 0) {
					return false
				}
			}
		}
		return err == nil && len(all) > 0
	}, func() string { return "all partitions are read: " + said })
}

// tally is what a counter knows.
func (s *stage) tally(function stateway.FunctionType, key string) (known numbers.Tally) {
	s.t.Helper()
	states, _, err := s.State(core.Address{Type: core.FunctionType(function), ID: key})
	if err != nil || len(states) == 0 || states[0].Value == nil {
		return known
	}
	m, err := stateway.ParseTypedValue(states[0].Value)
	if err == nil {
		known, err = numbers.TallyType.Read(m)
	}
	must(s.t, err)
	return known
}

// expect waits until a function has counted all that a producer has put, and looks whether it came in order and once.
func (s *stage) expect(function stateway.FunctionType, p *numbers.Producer) {
	s.t.Helper()
	var lacks []string
	harness.Eventually(s.t, waitFor, func() bool {
		lacks = nil
		for i := range p.Keys {
			known := s.tally(function, numbers.Key(i))
			if err := known.Check(p.Sent()); err != nil {
				s.t.Fatalf("%s %s: %v", function, numbers.Key(i), err)
			}
			if known.Last < p.Sent() {
				lacks = append(lacks, fmt.Sprintf("%s %d", numbers.Key(i), known.Last))
			}
		}
		return len(lacks) == 0
	}, func() string {
		all, err := s.Ingresses()
		return fmt.Sprintf("%s has counted %d of each key: %s; ingresses %+v, %v", function, p.Sent(), strings.Join(lacks, ", "), all, err)
	})
}

func rounds(t *testing.T, p *numbers.Producer, n int) {
	t.Helper()
	for range n {
		must(t, p.Round(t.Context()))
	}
}

// syncBuffer keeps a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.b.String()
	return text[max(0, len(text)-16<<10):]
}
