// Package poison measures what one poison message in so many costs all others. The poison rows of bench/run compare turns of seconds of two
// processes; here node and functions are one, so that short turns can be compared, which have the machine's noise in common.
package poison

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stateway/stateway/bench/counter"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/embed"
	"github.com/stateway/stateway/runtime/module"
)

// turn is how many messages of the generator are one turn. In every second turn some fail, in the middle of it: what they cost is then in that
// turn, though messages are not done in the order of their numbers, and those that fail are tried again after 10 ms.
const turn = 100_000

// application is that of the bench's group-poison row, with an endpoint for the functions' server.
const application = `
kind: io.statefun.endpoints.v2/http
spec:
  functions: bench/*
  urlPathTemplate: %s
  batch: cloudevents
  retry: {maxAttempts: 2}
  onFailure: deadLetter
  deadLetter: {egress: bench/dead}
---
kind: io.stateway.generator.v1/ingress
spec: {id: bench/in, seed: 1, value: sequence, targets: [bench/counter], ids: {prefix: user-, count: 100000}}
---
kind: io.stateway.discard.v1/egress
spec: {id: bench/out}
---
kind: io.stateway.discard.v1/egress
spec: {id: bench/dead}
`

// meter counts messages, and tells when a turn of them is done.
type meter struct {
	every   int64 // in turns with poison, one message in so many fails; 0 means none
	handled atomic.Int64
	failed  atomic.Int64
	turns   chan time.Time
	ended   chan error // of the node
}

// poison reports whether a message fails, by its number.
func (m *meter) poison(number int64) bool {
	in := number%(2*turn) - turn*6/5
	return m.every > 0 && in >= 0 && in < turn/2 && in%(m.every/2) == 0
}

func (m *meter) handle(ctx *stateway.Context, msg stateway.Message) error {
	number, err := stateway.Int64.Read(msg)
	if err != nil {
		return err
	}
	if m.poison(number) {
		if m.failed.Add(1)%2 == 0 { // it is tried twice, and once more where it was not alone in its batch
			m.done()
		}
		return errPoison
	}
	if err := counter.Count(ctx, msg); err != nil {
		return err
	}
	m.done()
	return nil
}

// done counts a message that is done.
func (m *meter) done() {
	if m.handled.Add(1)%turn == 0 {
		m.turns <- time.Now()
	}
}

var errPoison = errors.New("a poison message")

// start runs a node and the function's server until the benchmark ends. Checkpoints are work for more than a turn: it makes none by the clock.
func (m *meter) start(b *testing.B) {
	m.turns = make(chan time.Time, 1000)
	quiet := slog.New(slog.DiscardHandler)
	app := stateway.New(stateway.WithLogger(quiet))
	app.Function("bench/counter", m.handle, counter.State)
	server := httptest.NewServer(app)
	dir := b.TempDir() // removed after what is cleaned up below
	ctx, stop := context.WithCancel(context.Background())
	m.ended = make(chan error, 1)
	go func() {
		m.ended <- embed.Run(ctx, embed.Config{
			Dir: dir, CheckpointEvery: time.Hour, Log: quiet,
			Modules: []module.Source{{Name: "module.yaml", Data: fmt.Appendf(nil, application, server.URL)}},
		})
	}()
	b.Cleanup(func() {
		stop()
		if err := <-m.ended; err != nil {
			b.Error(err)
		}
		server.Close()
	})
}

// next waits for the end of a turn.
func (m *meter) next(b *testing.B) time.Time {
	select {
	case at := <-m.turns:
		return at
	case err := <-m.ended:
		m.ended <- err
		b.Fatalf("the node ended: %v", err)
		return time.Time{}
	}
}

// BenchmarkPoison compares turns with poison with their neighbours without: an operation is one such turn and the one before. The row
// without any shows what the comparison itself can tell.
func BenchmarkPoison(b *testing.B) {
	for _, every := range []int64{10_000, 500, 0} {
		b.Run(fmt.Sprintf("one-in=%d", every), func(b *testing.B) {
			m := &meter{every: every}
			m.start(b)
			var last time.Time
			for range min(10, 2*b.N) { // it gets warm; the next turn is one without poison
				last = m.next(b)
			}
			times := make([]float64, 2*b.N+1)
			b.ResetTimer()
			for i := range times {
				now := m.next(b)
				times[i], last = now.Sub(last).Seconds(), now
			}
			b.StopTimer()
			report(b, times, turn)
			if every > 0 && m.failed.Load() == 0 {
				b.Error("no message failed")
			}
		})
	}
}

// report tells which part of the throughput of turns without poison those with it have: the first of times is one without, the second one with.
func report(b *testing.B, times []float64, messages float64) {
	var sum, squares float64
	for i := 1; i+1 < len(times); i += 2 {
		x := (math.Log(times[i-1])+math.Log(times[i+1]))/2 - math.Log(times[i])
		sum, squares = sum+x, squares+x*x
	}
	n := float64(len(times) / 2)
	mean := sum / n
	b.ReportMetric(math.Exp(mean), "poison/none")
	if n > 1 {
		b.ReportMetric(math.Sqrt(4./3*(squares-n*mean*mean)/(n-1)/n), "±")
	}
	b.ReportMetric(float64(len(times))*messages/b.Elapsed().Seconds(), "messages/s")
}
