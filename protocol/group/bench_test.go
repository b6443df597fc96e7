package group_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/wire"
)

const benchItems = 1000

func counterCalls(tb testing.TB, n int) []group.Call {
	tb.Helper()
	calls := make([]group.Call, n)
	for i := range calls {
		id := fmt.Sprintf("user-%d", i)
		calls[i] = group.Call{
			ID: fmt.Sprintf("7-5f3a9c0412bd-1-%d", 90_000+i), Source: "stateway:8f14e45fceea167a5a36dedd4bea2543",
			Target: wire.Address{Namespace: "bench", Type: "counter", ID: id}, Generation: 7, Attempt: 1, TimeoutMillis: 30_000,
			Data: marshal(tb, &reqreply.ToFunction{Request: &reqreply.ToFunction_Invocation_{Invocation: &reqreply.ToFunction_InvocationBatchRequest{
				Target:      &reqreply.Address{Namespace: "bench", Type: "counter", Id: id},
				State:       []*reqreply.ToFunction_PersistedValue{{StateName: "count", StateValue: typed("io.statefun.types/long", "\x09\x01\x02\x00\x00\x00\x00\x00\x00")}},
				Invocations: []*reqreply.ToFunction_Invocation{{Argument: typed("io.statefun.types/string", fmt.Sprintf("\x0a\x04%04x", i*7919%65536))}},
			}}}),
		}
	}
	return calls
}

func counterAnswers(tb testing.TB, n int) []group.Answer {
	tb.Helper()
	answers := make([]group.Answer, n)
	for i := range answers {
		answers[i] = group.Answer{
			ID: fmt.Sprintf("7-5f3a9c0412bd-1-%d", 90_000+i), Source: "stateway-sdk-go", Kind: group.Result,
			Data: marshal(tb, &reqreply.FromFunction{Response: &reqreply.FromFunction_InvocationResult{InvocationResult: &reqreply.FromFunction_InvocationResponse{
				StateMutations: []*reqreply.FromFunction_PersistedValueMutation{{
					MutationType: 1, StateName: "count", StateValue: typed("io.statefun.types/long", fmt.Sprintf("\x09%c%c\x00\x00\x00\x00\x00\x00", byte(i), byte(i>>8))),
				}},
			}}}),
		}
	}
	return answers
}

// perItem reports the cost of one item of a group of benchItems.
func perItem(b *testing.B, size int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchItems, "ns/item")
	b.ReportMetric(float64(size)/benchItems, "B/item")
}

func BenchmarkEncodeCalls(b *testing.B) {
	calls := counterCalls(b, benchItems)
	for _, enc := range encodings {
		b.Run(enc.String(), func(b *testing.B) {
			var e group.Encoder
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(enc, buf[:0], 6<<20)
				for i := range calls {
					e.AddCall(&calls[i])
				}
				buf = e.Finish()
			}
			perItem(b, len(buf))
		})
	}
}

func BenchmarkParseCalls(b *testing.B) {
	for _, enc := range encodings {
		b.Run(enc.String(), func(b *testing.B) {
			buf := encodeCalls(b, enc, counterCalls(b, benchItems))
			var calls []group.Call
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if calls, err = group.ParseCalls(enc, buf, calls[:0]); err != nil {
					b.Fatal(err)
				}
			}
			perItem(b, len(buf))
		})
	}
}

func BenchmarkEncodeAnswers(b *testing.B) {
	answers := counterAnswers(b, benchItems)
	for _, enc := range encodings {
		b.Run(enc.String(), func(b *testing.B) {
			var e group.Encoder
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(enc, buf[:0], 6<<20)
				for i := range answers {
					e.AddAnswer(&answers[i])
				}
				buf = e.Finish()
			}
			perItem(b, len(buf))
		})
	}
}

func BenchmarkParseAnswers(b *testing.B) {
	for _, enc := range encodings {
		b.Run(enc.String(), func(b *testing.B) {
			buf := encodeAnswers(b, enc, counterAnswers(b, benchItems))
			var answers []group.Answer
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if answers, err = group.ParseAnswers(enc, buf, answers[:0]); err != nil {
					b.Fatal(err)
				}
			}
			perItem(b, len(buf))
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	answers := counterAnswers(b, benchItems)
	var m group.Match
	b.ReportAllocs()
	for b.Loop() {
		m.Reset()
		for i := range answers {
			m.Asked(answers[i].ID)
		}
		for i := range answers {
			if n, ok := m.Answered(answers[i].ID); !ok || n != i {
				b.Fatal("not matched")
			}
		}
	}
	perItem(b, 0)
}

// Parsing and writing allocate for the group, never for an item.
func TestNothingIsAllocatedForAnItem(t *testing.T) {
	calls, answers := counterCalls(t, benchItems), counterAnswers(t, benchItems)
	for _, enc := range []group.Encoding{group.JSON, group.Protobuf} {
		t.Run(enc.String(), func(t *testing.T) {
			askedBytes, answeredBytes := encodeCalls(t, enc, calls), encodeAnswers(t, enc, answers)
			var asked []group.Call
			var answered []group.Answer
			var e group.Encoder
			var buf []byte
			allocs := testing.AllocsPerRun(10, func() {
				asked, _ = group.ParseCalls(enc, askedBytes, asked[:0])
				answered, _ = group.ParseAnswers(enc, answeredBytes, answered[:0])
				e.Reset(enc, buf[:0], 0)
				for i := range asked {
					e.AddCall(&asked[i])
				}
				buf = e.Finish()
			})
			if !bytes.Equal(buf, askedBytes) {
				t.Error("what was parsed is written differently")
			}
			if allocs > 20 {
				t.Errorf("%v allocations for %d items", allocs, benchItems)
			}
		})
	}
}
