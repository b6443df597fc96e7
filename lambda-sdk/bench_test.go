package stateway_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/wire"
)

var benchCount = stateway.Value[int64]("count")

func benchApp() *stateway.App {
	app := stateway.New()
	app.Function("bench/counter", func(ctx *stateway.Context, _ stateway.Message) error {
		n, err := benchCount.Get(ctx)
		if err != nil {
			return err
		}
		benchCount.Set(ctx, n+1)
		return nil
	}, benchCount)
	return app
}

func benchRequest(b *testing.B, messages int) []byte {
	b.Helper()
	batch := &reqreply.ToFunction_InvocationBatchRequest{
		Target: &reqreply.Address{Namespace: "bench", Type: "counter", Id: "user-4711"},
		State: []*reqreply.ToFunction_PersistedValue{{StateName: "count", StateValue: &reqreply.TypedValue{
			Typename: "io.statefun.types/long", HasValue: true, Value: []byte{9, 1, 0, 0, 0, 0, 0, 0, 0},
		}}},
	}
	for range messages {
		batch.Invocations = append(batch.Invocations, &reqreply.ToFunction_Invocation{
			Argument: &reqreply.TypedValue{Typename: "io.statefun.types/string", HasValue: true, Value: []byte("\x0a\x02hi")},
		})
	}
	raw, err := proto.Marshal(&reqreply.ToFunction{Request: &reqreply.ToFunction_Invocation_{Invocation: batch}})
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

// One counter, one message, from protocol bytes to protocol bytes.
func BenchmarkInvoke(b *testing.B) {
	benchInvoke(b, 1)
}

// One counter, a batch of 100 messages; per message the cost is a hundredth.
func BenchmarkInvokeBatch100(b *testing.B) {
	benchInvoke(b, 100)
}

func benchInvoke(b *testing.B, messages int) {
	app, request := benchApp(), benchRequest(b, messages)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := app.Invoke(context.Background(), request); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(messages)/b.Elapsed().Seconds(), "messages/s")
}

// The way of an embedding runtime: one counter, one message, no protocol bytes around it.
func BenchmarkRun(b *testing.B) {
	app := benchApp()
	message, err := stateway.String.Of("hi").AppendTypedValue(nil)
	if err != nil {
		b.Fatal(err)
	}
	count, err := stateway.Int64.Of(1).AppendTypedValue(nil)
	if err != nil {
		b.Fatal(err)
	}
	batch := &stateway.Batch{
		Target:   stateway.FunctionType("bench/counter").At("user-4711"),
		State:    []stateway.StateEntry{{Name: "count", Value: count}},
		Messages: []stateway.Inbound{{Argument: message}},
	}
	var out stateway.Effects
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		if err := app.Run(context.Background(), batch, &out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// A group of a thousand counters, from bytes to bytes, as a Lambda sees it.
func BenchmarkLambda(b *testing.B) {
	for _, enc := range []group.Encoding{group.JSON, group.Packed} {
		b.Run(enc.String(), func(b *testing.B) {
			const items = 1000
			payload := encode(b, enc, benchCalls(b, items)...)
			handler := benchApp().Lambda()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := handler.Invoke(context.Background(), payload); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*items/b.Elapsed().Seconds(), "items/s")
		})
	}
}

// The same over HTTP, without a connection.
func BenchmarkGroupOverHTTP(b *testing.B) {
	for _, enc := range []group.Encoding{group.JSON, group.Protobuf} {
		b.Run(enc.String(), func(b *testing.B) {
			const items = 1000
			payload := encode(b, enc, benchCalls(b, items)...)
			app := benchApp()
			b.ReportAllocs()
			for b.Loop() {
				if rec := post(b, app, enc.ContentType(), payload); rec.Code != 200 {
					b.Fatal(rec.Body)
				}
			}
			b.ReportMetric(float64(b.N)*items/b.Elapsed().Seconds(), "items/s")
		})
	}
}

func benchCalls(b *testing.B, n int) []group.Call {
	b.Helper()
	calls := make([]group.Call, n)
	for i := range calls {
		calls[i] = group.Call{
			ID: fmt.Sprintf("7-5f3a9c0412bd-1-%d", 90_000+i), Source: "stateway:8f14e45fceea167a5a36dedd4bea2543",
			Target:  wire.Address{Namespace: "bench", Type: "counter", ID: "user-4711"},
			Attempt: 1, Generation: 7, TimeoutMillis: 30_000, Data: benchRequest(b, 1),
		}
	}
	return calls
}
