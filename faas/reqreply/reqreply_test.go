package reqreply_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/faas/reqreply"
	pb "github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
)

func val(typename, v string) core.Value {
	return wire.AppendTypedValue(nil, typename, []byte(v))
}

func marshal(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func result(r *pb.FromFunction_InvocationResponse) *pb.FromFunction {
	return &pb.FromFunction{Response: &pb.FromFunction_InvocationResult{InvocationResult: r}}
}

func incomplete(specs ...*pb.FromFunction_PersistedValueSpec) *pb.FromFunction {
	return &pb.FromFunction{Response: &pb.FromFunction_IncompleteInvocationContext_{
		IncompleteInvocationContext: &pb.FromFunction_IncompleteInvocationContext{MissingValues: specs},
	}}
}

var kim = &pb.Address{Namespace: "example", Type: "cart", Id: "Kim"}

func TestRequest(t *testing.T) {
	inv := &core.Invocation{
		Target: core.Address{Type: "example/cart/v2", ID: "Kim"},
		States: []core.NamedValue{{Name: "items", Value: val("t/items", "x")}, {Name: "none"}, {Name: "empty", Value: core.Value{}}},
		Messages: []*core.Message{
			{Arg: val("t/m", "1")},
			{Caller: core.Address{Type: "example/user", ID: ""}, Arg: val("t/m", "2")},
		},
	}
	want := &pb.ToFunction{Request: &pb.ToFunction_Invocation_{Invocation: &pb.ToFunction_InvocationBatchRequest{
		Target: &pb.Address{Namespace: "example", Type: "cart/v2", Id: "Kim"},
		State: []*pb.ToFunction_PersistedValue{
			{StateName: "items", StateValue: &pb.TypedValue{Typename: "t/items", HasValue: true, Value: []byte("x")}},
			{StateName: "none"},
			{StateName: "empty", StateValue: &pb.TypedValue{}},
		},
		Invocations: []*pb.ToFunction_Invocation{
			{Argument: &pb.TypedValue{Typename: "t/m", HasValue: true, Value: []byte("1")}},
			{Caller: &pb.Address{Namespace: "example", Type: "user"}, Argument: &pb.TypedValue{Typename: "t/m", HasValue: true, Value: []byte("2")}},
		},
	}}}
	var c reqreply.Codec
	for range 2 { // the second time, in the room of the first
		n := c.Prepare(inv)
		b := c.AppendRequest(nil)
		var got pb.ToFunction
		if err := proto.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if len(b) != n || !proto.Equal(&got, want) {
			t.Errorf("%d of %d bytes: got %v, want %v", len(b), n, &got, want)
		}
	}
}

func TestAnswer(t *testing.T) {
	arg := &pb.TypedValue{Typename: "t/m", HasValue: true, Value: []byte("1")}
	tests := []struct {
		name string
		in   *pb.FromFunction
		want core.Response
	}{
		{"neither alternative means no effects", &pb.FromFunction{}, core.Response{}},
		{"an empty result", result(&pb.FromFunction_InvocationResponse{}), core.Response{}},
		{"all effects, in their order", result(&pb.FromFunction_InvocationResponse{
			StateMutations: []*pb.FromFunction_PersistedValueMutation{
				{MutationType: 1, StateName: "a", StateValue: arg}, {StateName: "b"},
			},
			OutgoingMessages:   []*pb.FromFunction_Invocation{{Target: kim, Argument: arg}, {Target: kim}},
			DelayedInvocations: []*pb.FromFunction_DelayedInvocation{{DelayInMs: 5, Target: kim, Argument: arg, CancellationToken: "x"}, {IsCancellationRequest: true, CancellationToken: "x", DelayInMs: -3}},
			OutgoingEgresses:   []*pb.FromFunction_EgressMessage{{EgressNamespace: "example", EgressType: "out", Argument: arg}},
		}), core.Response{
			Mutations: []core.Mutation{{Name: "a", Typename: "t/m", Value: val("t/m", "1")}, {Name: "b", Delete: true}},
			Messages: []core.Outgoing{
				{Target: core.Address{Type: "example/cart", ID: "Kim"}, Arg: val("t/m", "1")},
				{Target: core.Address{Type: "example/cart", ID: "Kim"}, Arg: core.Value{}},
			},
			Delayed: []core.Delayed{
				{Token: "x", Delay: 5, Target: core.Address{Type: "example/cart", ID: "Kim"}, Arg: val("t/m", "1")},
				{Cancel: true, Token: "x"},
			},
			Egresses: []core.EgressRecord{{Egress: "example/out", Typename: "t/m", Arg: val("t/m", "1")}},
		}},
		{"a modification without has_value stores the empty value", result(&pb.FromFunction_InvocationResponse{
			StateMutations: []*pb.FromFunction_PersistedValueMutation{{MutationType: 1, StateName: "a", StateValue: &pb.TypedValue{Typename: "t/m"}}, {MutationType: 1, StateName: "b"}},
		}), core.Response{Mutations: []core.Mutation{
			{Name: "a", Typename: "t/m", Value: val("t/m", "")},
			{Name: "b", Typename: "io.statefun.types/unset", Value: val("io.statefun.types/unset", "")},
		}}},
		{"missing states", incomplete(
			&pb.FromFunction_PersistedValueSpec{StateName: "a"},
			&pb.FromFunction_PersistedValueSpec{StateName: "b", TypeTypename: "t/b", ExpirationSpec: &pb.FromFunction_ExpirationSpec{}},
			&pb.FromFunction_PersistedValueSpec{StateName: "c", TypeTypename: "t/c", ExpirationSpec: &pb.FromFunction_ExpirationSpec{Mode: 1, ExpireAfterMillis: 9}},
			&pb.FromFunction_PersistedValueSpec{StateName: "d", TypeTypename: "t/d", ExpirationSpec: &pb.FromFunction_ExpirationSpec{Mode: 2, ExpireAfterMillis: 8}},
		), core.Response{Incomplete: true, Missing: []core.StateSpec{
			{Name: "a", Typename: "io.statefun.types/unset"},
			{Name: "b", Typename: "t/b"},
			{Name: "c", Typename: "t/c", Mode: core.ExpireAfterWrite, TTL: 9},
			{Name: "d", Typename: "t/d", Mode: core.ExpireAfterInvoke, TTL: 8},
		}}},
	}
	var c reqreply.Codec
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := c.ParseAnswer(marshal(t, tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(core.Response{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestRefusedAnswers(t *testing.T) {
	mutation := func(m *pb.FromFunction_PersistedValueMutation) *pb.FromFunction {
		return result(&pb.FromFunction_InvocationResponse{StateMutations: []*pb.FromFunction_PersistedValueMutation{m}})
	}
	later := func(d *pb.FromFunction_DelayedInvocation) *pb.FromFunction {
		return result(&pb.FromFunction_InvocationResponse{DelayedInvocations: []*pb.FromFunction_DelayedInvocation{d}})
	}
	message := func(a *pb.Address) *pb.FromFunction {
		return result(&pb.FromFunction_InvocationResponse{OutgoingMessages: []*pb.FromFunction_Invocation{{Target: a}}})
	}
	tests := []struct {
		want string
		in   *pb.FromFunction
	}{
		{"negative delay: -1 ms", later(&pb.FromFunction_DelayedInvocation{DelayInMs: -1, Target: kim})},
		{"cancellation without a token", later(&pb.FromFunction_DelayedInvocation{IsCancellationRequest: true})},
		{"delayed message 0 has no function", later(&pb.FromFunction_DelayedInvocation{})},
		{"outgoing message 0 has no function", message(nil)},
		{"outgoing message 0 has no function", message(&pb.Address{Namespace: "a/b", Type: "c", Id: "1"})},
		{"outgoing message 0 has no function", message(&pb.Address{Namespace: "a", Type: "b/c", Id: "1"})},
		{"outgoing message 0 has no function", message(&pb.Address{Namespace: "a", Id: "1"})},
		{"egress record 0 has no egress", result(&pb.FromFunction_InvocationResponse{OutgoingEgresses: []*pb.FromFunction_EgressMessage{{EgressType: "x"}}})},
		{"unknown kind 7", mutation(&pb.FromFunction_PersistedValueMutation{MutationType: 7, StateName: "a"})},
		{"has no state name", mutation(&pb.FromFunction_PersistedValueMutation{})},
		{"expires after 0 ms", incomplete(&pb.FromFunction_PersistedValueSpec{StateName: "a", ExpirationSpec: &pb.FromFunction_ExpirationSpec{Mode: 1}})},
		{"expires after -5 ms", incomplete(&pb.FromFunction_PersistedValueSpec{StateName: "a", ExpirationSpec: &pb.FromFunction_ExpirationSpec{Mode: 2, ExpireAfterMillis: -5}})},
		{"unknown expire mode 3", incomplete(&pb.FromFunction_PersistedValueSpec{StateName: "a", ExpirationSpec: &pb.FromFunction_ExpirationSpec{Mode: 3, ExpireAfterMillis: 5}})},
		{`typename "nope" of state "a"`, incomplete(&pb.FromFunction_PersistedValueSpec{StateName: "a", TypeTypename: "nope"})},
		{"has no name", incomplete(&pb.FromFunction_PersistedValueSpec{})},
		{"names none", incomplete()},
	}
	var c reqreply.Codec
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			got, err := c.ParseAnswer(marshal(t, tt.in))
			var bad *reqreply.Error
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v; want a refusal that says %q", got, err, tt.want)
			}
		})
	}
	if _, err := c.ParseAnswer([]byte("no protobuf")); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("no protobuf"))
	f.Add(marshal(f, incomplete(&pb.FromFunction_PersistedValueSpec{StateName: "a", TypeTypename: "t/a"})))
	f.Add(marshal(f, result(&pb.FromFunction_InvocationResponse{
		StateMutations:     []*pb.FromFunction_PersistedValueMutation{{MutationType: 1, StateName: "a"}},
		DelayedInvocations: []*pb.FromFunction_DelayedInvocation{{Target: kim}},
	})))
	var c reqreply.Codec
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := c.ParseAnswer(b)
		if (r == nil) == (err == nil) {
			t.Fatalf("got both or neither of %v and %v", r, err)
		}
	})
}

func TestNamesOfMadeUpFunctionsAreNotKeptForEver(t *testing.T) {
	var c reqreply.Codec
	for i := range 2000 {
		a := &pb.Address{Namespace: "n", Type: strings.Repeat("x", i%300+1) + string(rune('a'+i%26)), Id: "1"}
		r, err := c.ParseAnswer(marshal(t, result(&pb.FromFunction_InvocationResponse{OutgoingMessages: []*pb.FromFunction_Invocation{{Target: a}}})))
		if err != nil || string(r.Messages[0].Target.Type) != "n/"+a.Type {
			t.Fatalf("got %v, %v", r, err)
		}
	}
}

func BenchmarkCounter(b *testing.B) {
	inv := &core.Invocation{
		Target:   core.Address{Type: "bench/counter", ID: "user-12345"},
		States:   []core.NamedValue{{Name: "count", Value: val("io.statefun.types/long", "\x0912345678")}},
		Messages: []*core.Message{{Arg: val("io.statefun.types/long", "\x0912345678")}},
	}
	answer := marshal(b, result(&pb.FromFunction_InvocationResponse{
		StateMutations:   []*pb.FromFunction_PersistedValueMutation{{MutationType: 1, StateName: "count", StateValue: &pb.TypedValue{Typename: "io.statefun.types/long", HasValue: true, Value: []byte("\x0912345678")}}},
		OutgoingEgresses: []*pb.FromFunction_EgressMessage{{EgressNamespace: "bench", EgressType: "out", Argument: &pb.TypedValue{Typename: "t/m", HasValue: true, Value: []byte("1")}}},
	}))
	var c reqreply.Codec
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		c.Prepare(inv)
		buf = c.AppendRequest(buf[:0])
		if _, err := c.ParseAnswer(answer); err != nil {
			b.Fatal(err)
		}
	}
}
