package poison

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stateway/stateway/bench/counter"
	codec "github.com/stateway/stateway/faas/group"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
)

const (
	chunk    = 10_000 // messages from one look at the clock to the next
	most     = 2000   // messages under way
	together = 500    // items of a group
	// addresses fit into a cache: what memory takes differs from moment to moment, and where a good message takes less a poison one costs more.
	addresses = 4096
)

// line is a worker, a dispatcher of groups and a function's server in one goroutine, without sockets, stores and a clock: what they do is
// the same every time, and a group takes a millisecond.
type line struct {
	worker     *core.Worker
	dispatcher *core.GroupDispatcher
	codec      codec.Codec
	asker      codec.Asker
	server     http.Handler
	now        core.Millis
	epoch      core.CheckpointID

	made, done int // messages
	bytes      []byte
	body       bytes.Buffer
	effects    []core.Effect
	sent       []core.GroupEffect
	groups     []*core.Group
	results    []core.Result
	overlays   []*core.Overlay
	dead       int
}

func newLine(b *testing.B, app http.Handler) *line {
	const shards = 64
	sharding, err := core.NewSharding(shards)
	if err != nil {
		b.Fatal(err)
	}
	l := &line{
		dispatcher: core.NewGroupDispatcher(core.GroupDispatcherConfig{MaxItems: together, StartAt: 1, Concurrency: 1}),
		asker:      codec.Asker{Source: "stateway:bench"}, server: app, now: 1000, epoch: 1,
	}
	l.worker, err = core.NewWorker(core.WorkerConfig{
		Generation: 1, Sharding: sharding, Nodes: []core.NodeID{0}, Owners: make([]core.WorkerID, shards), Memory: 16 << 30, Now: l.now,
		App: &core.Application{
			Endpoints: []core.Endpoint{{
				Name: "bench", Window: most, OnFailure: core.DeadLetter, DeadLetter: 1, Retry: core.Retry{Initial: 5, MaxAttempts: 2},
			}},
			Egresses:   []core.Egress{{Name: "bench/out"}, {Name: "bench/dead"}},
			EndpointOf: func(core.FunctionType) (core.EndpointID, bool) { return 0, true },
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	for i := range shards {
		l.step(core.ShardRestored{Shard: core.ShardID(i), Empty: true})
	}
	return l
}

// step steps the worker and does what a node would.
func (l *line) step(ev core.Event) {
	l.effects = l.worker.Step(ev, l.effects[:0])
	var emitted []*core.OutRecord
	for _, e := range l.effects {
		switch e := e.(type) {
		case *core.Invocation:
			l.dispatch(core.GroupEvent{Kind: core.GroupSubmit, Invocation: e})
		case core.Emit:
			if e.Egress == 1 {
				l.dead += len(e.Records)
				l.done += len(e.Records)
			}
			emitted = append(emitted, e.Records...)
		case core.Apply:
			l.overlays = append(l.overlays, e.Overlay)
		}
	}
	if len(emitted) > 0 {
		l.step(core.EgressDone{Records: emitted})
	}
}

func (l *line) dispatch(ev core.GroupEvent) {
	l.sent = l.dispatcher.Step(&ev, l.sent[:0])
	l.took(l.sent)
}

func (l *line) took(effects []core.GroupEffect) {
	for i := range effects {
		switch e := &effects[i]; e.Kind {
		case core.DispatchSend:
			l.groups = append(l.groups, e.Group)
		case core.DispatchDeliver:
			l.results = append(l.results, e.Result)
		}
	}
}

// read brings messages, up to most under way.
func (l *line) read() {
	const records = 64
	for l.made+records <= l.done+most {
		messages := make([]*core.Message, records)
		for i := range messages {
			value, _ := stateway.Int64.Encode(int64(l.made))
			id := "user-" + strconv.Itoa(l.made*7919%addresses)
			messages[i] = &core.Message{
				Target: core.Address{Type: "bench/counter", ID: id}, Arg: wire.AppendTypedValue(nil, stateway.Int64.Name(), value),
			}
			l.made++
		}
		l.step(core.Records{Partition: 1, Name: "p", Position: []byte("x"), Messages: messages})
	}
}

// turn lets a group's time pass and serves what is sent then.
func (l *line) turn(b *testing.B) {
	l.now++
	l.step(core.Tick{Now: l.now})
	l.read()
	l.dispatch(core.GroupEvent{Kind: core.GroupTick, Now: l.now})
	l.sent = l.dispatcher.Send(l.sent[:0])
	l.took(l.sent)
	for _, g := range l.groups {
		outcome := l.serve(b, g)
		l.dispatch(core.GroupEvent{Kind: core.GroupDone, Group: g, Outcome: &outcome})
	}
	l.groups = l.groups[:0]
	results := l.results
	l.results = nil
	for i := range results {
		if r := results[i].Outcome.Response; r != nil && !r.Incomplete {
			l.done += len(results[i].Invocation.Messages)
		}
	}
	l.step(core.Results{Results: results})
}

// answer is a http.ResponseWriter.
type answer struct {
	header http.Header
	body   *bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(int)             {}

func (l *line) serve(b *testing.B, g *core.Group) core.GroupOutcome {
	l.bytes, _ = l.codec.Encode(group.Protobuf, &l.asker, g, l.bytes[:0], 0)
	l.body.Reset()
	l.server.ServeHTTP(&answer{http.Header{}, &l.body}, &http.Request{
		Method: http.MethodPost, Header: http.Header{"Content-Type": {group.Protobuf.ContentType()}},
		Body: io.NopCloser(bytes.NewReader(l.bytes)), ContentLength: int64(len(l.bytes)),
	})
	a, err := l.codec.Decode(group.Protobuf, g, l.body.Bytes())
	if err != nil {
		b.Fatal(err)
	}
	return a.Outcome
}

// checkpoint cuts, commits and applies.
func (l *line) checkpoint() {
	l.epoch++
	l.step(core.Begin{Checkpoint: l.epoch})
	l.step(core.EndOfEpoch{Epoch: core.Epoch(l.epoch)})
	l.step(core.Committed{Checkpoint: l.epoch})
	for _, o := range l.overlays {
		l.step(core.Applied{Shard: o.Shard, Checkpoint: o.Epoch.Checkpoint()})
		o.Release()
	}
	l.overlays = l.overlays[:0]
}

// run serves a chunk of messages.
func (l *line) run(b *testing.B) time.Duration {
	began := time.Now()
	for end := (l.done/chunk + 1) * chunk; l.done < end; {
		l.turn(b)
	}
	l.checkpoint()
	return time.Since(began)
}

// BenchmarkPoisonInCore compares chunks of 10,000 messages, by turns without and with a poison one, or 20: early, but when all messages of the chunk
// before are done.
func BenchmarkPoisonInCore(b *testing.B) {
	for _, bad := range []int64{1, 20, 0} {
		b.Run("in-10000="+strconv.FormatInt(bad, 10), func(b *testing.B) {
			failed := 0
			app := stateway.New(stateway.WithParallel(1), stateway.WithLogger(slog.New(slog.DiscardHandler)))
			app.Function("bench/counter", func(ctx *stateway.Context, msg stateway.Message) error {
				number, err := stateway.Int64.Read(msg)
				if in := number%(2*chunk) - chunk - most; in >= 0 && in < chunk/10 && bad > 0 && in%(chunk/10/bad) == 0 {
					failed++
					return errPoison
				}
				if err != nil {
					return err
				}
				return counter.Count(ctx, msg)
			}, counter.State)
			l := newLine(b, app)
			for range min(40, 4*b.N) { // it gets warm; the next chunk is one without poison
				l.run(b)
			}
			failed, l.dead = 0, 0
			times := make([]float64, 2*b.N+1)
			b.ResetTimer()
			for i := range times {
				times[i] = l.run(b).Seconds()
			}
			b.StopTimer()
			report(b, times, chunk)
			if want := b.N * int(bad); l.dead != want {
				b.Errorf("%d dead letters, want %d", l.dead, want)
			}
			b.ReportMetric(float64(l.dead)/float64(b.N), "dead/op")
			b.ReportMetric(float64(failed)/float64(b.N), "failed/op")
		})
	}
}
