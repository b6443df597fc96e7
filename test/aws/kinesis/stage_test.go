package kinesis

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/embed"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
	"github.com/stateway/stateway/test/harness"
)

// numbered is a record: the Number-th of its key, from 1.
type numbered struct {
	Key    string `json:"key"`
	Number int    `json:"number"`
}

// tally is what a counter knows: the last number, and what did not come in order and once.
type tally struct {
	Last     int      `json:"last"`
	Problems []string `json:"problems,omitempty"`
}

var (
	numberedType = stateway.JSON[numbered]("test/Numbered")
	tallyType    = stateway.JSON[tally]("test/Tally")
	tallyState   = stateway.ValueOf("tally", tallyType)
)

// count notes a record.
func count(ctx *stateway.Context, msg stateway.Message) (numbered, error) {
	r, err := numberedType.Read(msg)
	if err != nil {
		return r, err
	}
	known, _, err := tallyState.Lookup(ctx)
	if err != nil {
		return r, err
	}
	if id := ctx.Self().ID; r.Number != known.Last+1 || r.Key != id {
		known.Problems = append(known.Problems, fmt.Sprintf("%s/%d reached %s after %d", r.Key, r.Number, id, known.Last))
	}
	known.Last = r.Number
	tallyState.Set(ctx, known)
	return r, nil
}

// counters are test/count, which counts, and test/first, which counts, too, and sends the record on to stream middle.
func counters() *stateway.App {
	app := stateway.New()
	app.Function("test/count", func(ctx *stateway.Context, msg stateway.Message) error {
		_, err := count(ctx, msg)
		return err
	}, tallyState)
	app.Function("test/first", func(ctx *stateway.Context, msg stateway.Message) error {
		r, err := count(ctx, msg)
		if err == nil {
			ctx.Egress("test/middle", stateway.KinesisRecord("middle", r.Key, numberedType.Of(r)))
		}
		return err
	}, tallyState)
	return app
}

// login is how module files reach a server at an endpoint.
func login(endpoint string) string {
	return fmt.Sprintf(`awsRegion: {type: custom-endpoint, id: %s, endpoint: "%s"}
  awsCredentials: {type: basic, accessKeyId: %s, secretAccessKey: %s}`, harness.KinesisRegion, endpoint, harness.KinesisAccessKey, harness.KinesisSecretKey)
}

// reading is a module with an ingress test/in; keys are those of its spec.
func reading(endpoint, keys string) string {
	return fmt.Sprintf(`kind: io.statefun.kinesis.v1/ingress
spec:
  id: test/in
  %s
  clientConfigProperties:
    - flink.shard.getrecords.intervalmillis: 20
  %s
`, login(endpoint), strings.ReplaceAll(strings.TrimSpace(keys), "\n", "\n  "))
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
		Functions: counters(), Dir: t.TempDir(), Shards: 8, Workers: 2, CheckpointEvery: 20 * time.Millisecond, Application: "test",
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

// settled waits until every stream of the ingress is read.
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
				if p.State != "reading" || p.Position == "" {
					return false
				}
			}
		}
		return err == nil && len(all) > 0
	}, func() string { return "all partitions are read: " + said })
}

// tallyOf is what a counter knows.
func (s *stage) tallyOf(function core.FunctionType, key string) (known tally) {
	s.t.Helper()
	states, _, err := s.State(core.Address{Type: function, ID: key})
	if err != nil || len(states) == 0 || states[0].Value == nil {
		return known
	}
	m, err := stateway.ParseTypedValue(states[0].Value)
	if err == nil {
		known, err = tallyType.Read(m)
	}
	must(s.t, err)
	return known
}

// expect waits until a function has counted all that was sent, and looks whether it came in order and once.
func (s *stage) expect(function core.FunctionType, sent map[string]int) {
	s.t.Helper()
	var lacks []string
	harness.Eventually(s.t, waitFor, func() bool {
		lacks = nil
		for key, n := range sent {
			got := s.tallyOf(function, key)
			if len(got.Problems) > 0 {
				s.t.Fatalf("%s %s: %v", function, key, got.Problems[:min(len(got.Problems), 5)])
			}
			if got.Last > n {
				s.t.Fatalf("%s %s counted %d of %d", function, key, got.Last, n)
			}
			if got.Last < n {
				lacks = append(lacks, fmt.Sprintf("%s %d of %d", key, got.Last, n))
			}
		}
		return len(lacks) == 0
	}, func() string { return fmt.Sprintf("%s has counted all: %s", function, strings.Join(lacks, ", ")) })
}

// producer puts numbered records, one of each key in turn.
type producer struct {
	client harness.KinesisClient
	stream string
	keys   int
	sent   map[string]int // by key
}

func newProducer(c harness.KinesisClient, stream string, keys int) *producer {
	return &producer{client: c, stream: stream, keys: keys, sent: map[string]int{}}
}

// round puts the next record of every key.
func (p *producer) round(ctx context.Context) error {
	var entries []types.PutRecordsRequestEntry
	for k := range p.keys {
		key := fmt.Sprintf("k%d", k)
		p.sent[key]++
		data, err := json.Marshal(numbered{key, p.sent[key]})
		if err != nil {
			return err
		}
		entries = append(entries, types.PutRecordsRequestEntry{PartitionKey: aws.String(key), Data: data})
	}
	for len(entries) > 0 {
		out, err := p.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(p.stream), Records: entries})
		if err != nil {
			return fmt.Errorf("put %d records: %w", len(entries), err)
		}
		var failed []types.PutRecordsRequestEntry
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				failed = append(failed, entries[i])
			}
		}
		entries = failed
	}
	return nil
}

// rounds puts n records of every key.
func (p *producer) rounds(t *testing.T, n int) {
	t.Helper()
	for range n {
		must(t, p.round(t.Context()))
	}
}

// background puts records, at most every pause, until the function it returns is called, which waits for the last.
func (p *producer) background(t *testing.T, pause time.Duration) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := p.round(t.Context()); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}()
	return func() { cancel(); <-ended }
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

func (s *syncBuffer) has(text string) bool { return strings.Contains(s.tail(), text) }
