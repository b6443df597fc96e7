package group_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/faas/group"
	protocol "github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
)

var asker = &group.Asker{Source: group.Source(core.ApplicationID{1}), Call: 2 * time.Minute}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func ofInvocations(invs ...*core.Invocation) *core.Group { return &core.Group{N: 1, Items: invs} }

func invocation(n int) *core.Invocation {
	return &core.Invocation{
		Try:    core.TryID{Generation: 7, Nonce: 0x5f3a, Worker: 1, N: uint64(n)}, //nolint:gosec // small
		Target: core.Address{Type: "test/echo", ID: fmt.Sprint("id-", n)}, Attempt: 1,
		States:   []core.NamedValue{{Name: "count", Value: core.Value("\x0a\x03t/n\x10\x01\x1a\x01x")}},
		Messages: []*core.Message{{Arg: core.Value("\x0a\x03t/m\x10\x01\x1a\x02hi")}},
	}
}

// answers encodes what a server answers.
func answers(enc protocol.Encoding, list ...protocol.Answer) []byte {
	var e protocol.Encoder
	e.Reset(enc, nil, 0)
	for i := range list {
		list[i].Source = "server"
		e.AddAnswer(&list[i])
	}
	return e.Finish()
}

func TestGroupsThereAndBack(t *testing.T) {
	var c group.Codec
	g := ofInvocations(invocation(1), invocation(2), invocation(3))
	g.Items[1].Budget = 1500
	g.Items[2].Messages = append(g.Items[2].Messages, &core.Message{Arg: g.Items[2].Messages[0].Arg, Trace: trace.Parse(traceparent)})
	for _, enc := range []protocol.Encoding{protocol.JSON, protocol.Protobuf, protocol.Packed} {
		payload, ok := c.Encode(enc, asker, g, []byte("before "), 0)
		if !ok {
			t.Fatal("it does not fit without a limit")
		}
		calls, err := protocol.ParseCalls(enc, payload[len("before "):], nil)
		if err != nil || len(calls) != 3 {
			t.Fatalf("%s: %d calls, %v", enc, len(calls), err)
		}
		for i, call := range calls {
			var to wire.ToFunction
			if err := to.Parse(call.Data); err != nil || len(to.States) != 1 || len(to.Invocations) != len(g.Items[i].Messages) {
				t.Errorf("%s: %+v, %v", enc, to, err)
			}
			want := protocol.Call{
				ID: g.Items[i].Try.String(), Source: "stateway:01000000000000000000000000000000", Generation: 7, Attempt: 1,
				Target: wire.Address{Namespace: "test", Type: "echo", ID: g.Items[i].Target.ID}, TimeoutMillis: []int64{120000, 1500, 120000}[i],
				Traceparent: []string{"", "", traceparent}[i],
			}
			call.Data = nil
			if diff := cmp.Diff(want, call); diff != "" {
				t.Errorf("%s: %s", enc, diff)
			}
		}
	}
	if got := asker.Longest(g); got != 2*time.Minute {
		t.Errorf("longest: %s", got)
	}
	if got := (&group.Asker{}).Longest(g); got != 0 {
		t.Errorf("without limit: %s", got)
	}
}

func TestSizesAreExact(t *testing.T) {
	var c group.Codec
	g := ofInvocations(invocation(1), invocation(22), invocation(333))
	g.Items[1].Messages[0].Trace = trace.Parse(traceparent)
	for enc, less := range map[protocol.Encoding]int{protocol.JSON: 1, protocol.Protobuf: 0} {
		want := protocol.SizeEmpty(enc) - less
		for _, inv := range g.Items {
			want += asker.Size(enc, inv)
		}
		payload, ok := c.Encode(enc, asker, g, nil, want)
		if !ok || len(payload) != want {
			t.Errorf("%s: %d bytes, want %d", enc, len(payload), want)
		}
		if _, ok := c.Encode(enc, asker, g, nil, want-1); ok {
			t.Errorf("%s: fits a byte less", enc)
		}
	}
}

func TestAnswersAndTheirItems(t *testing.T) {
	g := ofInvocations(invocation(1), invocation(2), invocation(3), invocation(4), invocation(5), invocation(6))
	id := func(i int) string { return g.Items[i].Try.String() }
	var c group.Codec
	body := answers(protocol.Packed,
		protocol.Answer{ID: id(1), Kind: protocol.Poison, Message: "no", Encodings: protocol.Encodings(0).With(protocol.JSON).With(protocol.Packed)},
		protocol.Answer{ID: id(0), Kind: protocol.Result},
		protocol.Answer{ID: id(0), Kind: protocol.Poison, Message: "a second one"},
		protocol.Answer{ID: "7-5f3a-1-99", Kind: protocol.Result},
		protocol.Answer{ID: "who?", Kind: protocol.Result},
		protocol.Answer{Kind: protocol.Result}, // answers nothing
		protocol.Answer{ID: id(2), Kind: protocol.Retry, Message: "ending"},
		protocol.Answer{ID: id(3), Kind: protocol.RetryAfter, RetryAfterMillis: 1 << 60},
		protocol.Answer{ID: id(4), Kind: protocol.Result, Data: []byte("nonsense")},
	)
	for range 2 { // the second time, in the room of the first
		got, err := c.Decode(protocol.Packed, g, body)
		if err != nil {
			t.Fatal(err)
		}
		items := got.Outcome.Items
		if got.Outcome.Class != core.GroupAnswered || len(items) != 6 {
			t.Fatalf("%+v", got.Outcome)
		}
		if items[0].Class != core.OutcomeOK || items[0].Response == nil {
			t.Errorf("an empty answer has no effects: %+v", items[0])
		}
		want := []core.Outcome{
			{Class: core.OutcomeFailed, Reason: "the function failed: no", Answered: true},
			{Class: core.OutcomeTrouble, Reason: "the function asks to be tried again: ending"},
			{Class: core.OutcomeTrouble, Reason: "the function asks to be tried again", RetryAfter: 24 * 60 * 60 * 1000},
		}
		if diff := cmp.Diff(want, items[1:4]); diff != "" {
			t.Error(diff)
		}
		if items[4].Class != core.OutcomeFailed || !items[4].Answered || !strings.Contains(items[4].Reason, "not a FromFunction") {
			t.Errorf("got %+v", items[4])
		}
		if items[5].Class != core.OutcomeOK || items[5].Response != nil {
			t.Errorf("a missing item: %+v", items[5])
		}
		if got.Stray != (protocol.Stray{Doubled: 1, Older: 1, Unknown: 2}) || !got.Encodings.Has(protocol.Packed) {
			t.Errorf("stray %+v, announced %s", got.Stray, got.Encodings)
		}
	}
}

func TestEventsThatCannotBeUsed(t *testing.T) {
	g := ofInvocations(invocation(1), invocation(2))
	var c group.Codec
	got, err := c.Decode(protocol.JSON, g, []byte(`[{"id":"`+g.Items[0].Try.String()+`","type":"other","source":"s","specversion":"1.0"},{"type":7}]`))
	if err != nil || got.Outcome.Items[0].Class != core.OutcomeFailed || got.Outcome.Items[1].Response != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.Decode(protocol.JSON, g, []byte(`{"message":"Internal"}`)); err == nil {
		t.Error("what is no group was read")
	}
}

func FuzzDecode(f *testing.F) {
	g := ofInvocations(invocation(1), invocation(2))
	for _, enc := range []protocol.Encoding{protocol.JSON, protocol.Protobuf, protocol.Packed} {
		f.Add(uint8(enc), answers(enc, protocol.Answer{ID: g.Items[1].Try.String(), Kind: protocol.Result}, protocol.Answer{ID: "x", Kind: protocol.Retry}))
	}
	f.Fuzz(func(t *testing.T, enc uint8, body []byte) {
		var c group.Codec
		e := protocol.Encoding(enc%3 + 1)
		got, err := c.Decode(e, g, body)
		if err == nil && len(got.Outcome.Items) != len(g.Items) {
			t.Errorf("%d outcomes", len(got.Outcome.Items))
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	const items = 1000
	g := ofInvocations()
	var list []protocol.Answer
	for i := range items {
		g.Items = append(g.Items, invocation(i))
		list = append(list, protocol.Answer{ID: g.Items[i].Try.String(), Kind: protocol.Result})
	}
	for _, enc := range []protocol.Encoding{protocol.JSON, protocol.Protobuf, protocol.Packed} {
		b.Run(enc.String(), func(b *testing.B) {
			var c group.Codec
			var payload []byte
			body := answers(enc, list...)
			b.ReportAllocs()
			for b.Loop() {
				payload, _ = c.Encode(enc, asker, g, payload[:0], 0)
				if _, err := c.Decode(enc, g, body); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/items, "ns/item")
		})
	}
}
