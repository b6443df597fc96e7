package wire_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/wire"
)

// compare checks that wire reads b as the oracle does.
func compare(tb testing.TB, b []byte) {
	tb.Helper()
	var want reqreply.FromFunction
	var got wire.FromFunction
	wantErr, err := proto.Unmarshal(b, &want), got.Parse(b)
	if (wantErr != nil) != (err != nil) {
		tb.Fatalf("%x: got error %v, want %v", b, err, wantErr)
	}
	if err != nil {
		if !errors.Is(err, wire.ErrMalformed) {
			tb.Fatalf("%x: error %v does not wrap ErrMalformed", b, err)
		}
		return
	}
	if diff := cmp.Diff(fromOracle(tb, &want), plain(tb, &got)); diff != "" {
		tb.Fatalf("%x: (-want +got)\n%s", b, diff)
	}
}

// flat is a FromFunction in a form that both readers can be brought to.
type flat struct {
	Answer    wire.Answer
	Mutations []wire.Mutation
	Messages  []wire.Outgoing
	Delayed   []wire.Delayed
	Egresses  []wire.EgressMessage
	Missing   []wire.Spec
}

func plain(tb testing.TB, f *wire.FromFunction) flat {
	tb.Helper()
	out := flat{Answer: f.Answer}
	value := func(e wire.Embedded) wire.Embedded {
		var again reqreply.TypedValue
		if err := proto.Unmarshal(e.Raw, &again); err != nil {
			tb.Fatalf("raw value %x: %v", e.Raw, err)
		}
		got := fromTyped(&again)
		if len(e.Parsed.Value) == 0 {
			e.Parsed.Value = nil
		}
		if diff := cmp.Diff(got.Parsed, e.Parsed); diff != "" {
			tb.Fatalf("raw and parsed value differ:\n%s", diff)
		}
		return got
	}
	for _, m := range f.Mutations {
		m.Value = value(m.Value)
		out.Mutations = append(out.Mutations, m)
	}
	for _, m := range f.Messages {
		m.Argument = value(m.Argument)
		out.Messages = append(out.Messages, m)
	}
	for _, m := range f.Delayed {
		m.Argument = value(m.Argument)
		out.Delayed = append(out.Delayed, m)
	}
	for _, m := range f.Egresses {
		m.Argument = value(m.Argument)
		out.Egresses = append(out.Egresses, m)
	}
	out.Missing = append(out.Missing, f.Missing...)
	return out
}

func fromTyped(v *reqreply.TypedValue) wire.Embedded {
	e := wire.Embedded{Parsed: wire.TypedValue{Typename: v.GetTypename(), HasValue: v.GetHasValue()}}
	if len(v.GetValue()) > 0 {
		e.Parsed.Value = v.GetValue()
	}
	return e
}

func fromAddress(a *reqreply.Address) wire.Address {
	return wire.Address{Namespace: a.GetNamespace(), Type: a.GetType(), ID: a.GetId()}
}

func fromOracle(tb testing.TB, f *reqreply.FromFunction) flat {
	tb.Helper()
	var out flat
	switch r := f.GetResponse().(type) {
	case *reqreply.FromFunction_InvocationResult:
		out.Answer = wire.AnswerResult
		for _, m := range r.InvocationResult.GetStateMutations() {
			out.Mutations = append(out.Mutations, wire.Mutation{Type: wire.MutationType(m.GetMutationType()), Name: m.GetStateName(), Value: fromTyped(m.GetStateValue())})
		}
		for _, m := range r.InvocationResult.GetOutgoingMessages() {
			out.Messages = append(out.Messages, wire.Outgoing{Target: fromAddress(m.GetTarget()), Argument: fromTyped(m.GetArgument())})
		}
		for _, m := range r.InvocationResult.GetDelayedInvocations() {
			out.Delayed = append(out.Delayed, wire.Delayed{
				Delay: m.GetDelayInMs(), Target: fromAddress(m.GetTarget()), Argument: fromTyped(m.GetArgument()),
				Cancel: m.GetIsCancellationRequest(), Token: m.GetCancellationToken(),
			})
		}
		for _, m := range r.InvocationResult.GetOutgoingEgresses() {
			out.Egresses = append(out.Egresses, wire.EgressMessage{Namespace: m.GetEgressNamespace(), Type: m.GetEgressType(), Argument: fromTyped(m.GetArgument())})
		}
	case *reqreply.FromFunction_IncompleteInvocationContext_:
		out.Answer = wire.AnswerIncomplete
		for _, m := range r.IncompleteInvocationContext.GetMissingValues() {
			out.Missing = append(out.Missing, wire.Spec{
				Name: m.GetStateName(), Typename: m.GetTypeTypename(),
				Mode: wire.ExpireMode(m.GetExpirationSpec().GetMode()), Millis: m.GetExpirationSpec().GetExpireAfterMillis(),
			})
		}
	}
	return out
}
