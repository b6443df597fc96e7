package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/types"
)

func long(tb testing.TB, v int64) *reqreply.TypedValue {
	value, err := proto.Marshal(&types.LongWrapper{Value: v})
	if err != nil {
		tb.Fatal(err)
	}
	return &reqreply.TypedValue{Typename: stateType, HasValue: true, Value: value}
}

func request(tb testing.TB, states []*reqreply.ToFunction_PersistedValue, arguments ...*reqreply.TypedValue) []byte {
	batch := &reqreply.ToFunction_InvocationBatchRequest{
		Target: &reqreply.Address{Namespace: "bench", Type: "counter", Id: "user-1"}, State: states,
	}
	for _, a := range arguments {
		batch.Invocations = append(batch.Invocations, &reqreply.ToFunction_Invocation{Argument: a})
	}
	b, err := proto.Marshal(&reqreply.ToFunction{Request: &reqreply.ToFunction_Invocation_{Invocation: batch}})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func result(count *reqreply.TypedValue, records ...*reqreply.TypedValue) *reqreply.FromFunction {
	r := &reqreply.FromFunction_InvocationResponse{StateMutations: []*reqreply.FromFunction_PersistedValueMutation{{
		MutationType: reqreply.FromFunction_PersistedValueMutation_MODIFY, StateName: stateName, StateValue: count,
	}}}
	for _, v := range records {
		r.OutgoingEgresses = append(r.OutgoingEgresses, &reqreply.FromFunction_EgressMessage{
			EgressNamespace: "bench", EgressType: "out", Argument: v,
		})
	}
	return &reqreply.FromFunction{Response: &reqreply.FromFunction_InvocationResult{InvocationResult: r}}
}

func TestAnswer(t *testing.T) {
	missing := &reqreply.FromFunction{Response: &reqreply.FromFunction_IncompleteInvocationContext_{
		IncompleteInvocationContext: &reqreply.FromFunction_IncompleteInvocationContext{
			MissingValues: []*reqreply.FromFunction_PersistedValueSpec{{StateName: stateName, TypeTypename: stateType}},
		},
	}}
	known := []*reqreply.ToFunction_PersistedValue{{StateName: stateName}}
	counted := []*reqreply.ToFunction_PersistedValue{{StateName: "other"}, {StateName: stateName, StateValue: long(t, 41)}}
	at := []*reqreply.TypedValue{long(t, 1_700_000_000_000_000_000), long(t, 5), {Typename: "a/b", HasValue: true, Value: bytes.Repeat([]byte("x"), 300)}}
	for _, c := range []struct {
		rule    string
		request []byte
		want    *reqreply.FromFunction
	}{
		{"without the state it asks for it", request(t, nil, at[0]), missing},
		{"without a value it counts from zero", request(t, known, at[0]), result(long(t, 1), at[0])},
		{"a batch counts each message and emits a record for each, in order", request(t, counted, at...), result(long(t, 44), at...)},
	} {
		t.Run(c.rule, func(t *testing.T) {
			var b batch
			if err := b.parse(c.request); err != nil {
				t.Fatal(err)
			}
			body := b.appendAnswer(nil)
			if len(body) != b.answerSize() {
				t.Errorf("%d bytes, announced %d", len(body), b.answerSize())
			}
			got := new(reqreply.FromFunction)
			if err := proto.Unmarshal(body, got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNextRequest(t *testing.T) {
	whole := "POST / HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 3\r\nAccept: y\r\n\r\nabcPOST"
	for _, c := range []struct {
		rule, in, body, rest string
		bad                  bool
	}{
		{"a whole request and the next one's begin", whole, "abc", "POST", false},
		{"a head cut short", whole[:30], "", whole[:30], false},
		{"a body cut short", whole[:len(whole)-6], "", whole[:len(whole)-6], false},
		{"another method", "GET / HTTP/1.1\r\n\r\n", "", "GET / HTTP/1.1\r\n\r\n", true},
		{"no length", "POST / HTTP/1.1\r\nHost: x\r\n\r\n", "", "POST / HTTP/1.1\r\nHost: x\r\n\r\n", true},
	} {
		body, rest, err := nextRequest([]byte(c.in))
		if string(body) != c.body || string(rest) != c.rest || (err != nil) != c.bad {
			t.Errorf("%s: got %q, %q, %v", c.rule, body, rest, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add(append([]byte("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n"), request(f, nil, long(f, 1))...))
	f.Add([]byte("\xa2\x06\x02\x1a\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var b batch
		if body, _, err := nextRequest(in); err == nil && body != nil {
			appendAnswer(nil, &b, body)
		}
		if b.parse(in) == nil && len(b.appendAnswer(nil)) != b.answerSize() {
			t.Error("the announced size is wrong")
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	body := request(b, []*reqreply.ToFunction_PersistedValue{{StateName: stateName, StateValue: long(b, 41)}}, long(b, 1_700_000_000_000_000_000))
	var (
		call batch
		out  []byte
	)
	b.ReportAllocs()
	for b.Loop() {
		out = appendAnswer(out[:0], &call, body)
	}
}
