package wire_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/wire"
)

func marshal(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func typed(name, value string) *reqreply.TypedValue {
	return &reqreply.TypedValue{Typename: name, HasValue: true, Value: []byte(value)}
}

func sampleToFunction() *reqreply.ToFunction {
	return &reqreply.ToFunction{Request: &reqreply.ToFunction_Invocation_{Invocation: &reqreply.ToFunction_InvocationBatchRequest{
		Target: &reqreply.Address{Namespace: "example", Type: "cart", Id: "Kim"},
		State: []*reqreply.ToFunction_PersistedValue{
			{StateName: "items", StateValue: typed("example/items", "[1,2]")},
			{StateName: "seen"},
			{StateName: "empty", StateValue: &reqreply.TypedValue{}},
		},
		Invocations: []*reqreply.ToFunction_Invocation{
			{Argument: typed("io.statefun.types/string", "\x0a\x02hi")},
			{Caller: &reqreply.Address{Namespace: "example", Type: "user", Id: "7"}, Argument: typed("t/big", string(bytes.Repeat([]byte("x"), 300)))},
			{Caller: &reqreply.Address{}, Argument: &reqreply.TypedValue{}},
		},
	}}}
}

func sampleFromFunction() *reqreply.FromFunction {
	kim := &reqreply.Address{Namespace: "example", Type: "cart", Id: "Kim"}
	return &reqreply.FromFunction{Response: &reqreply.FromFunction_InvocationResult{InvocationResult: &reqreply.FromFunction_InvocationResponse{
		StateMutations: []*reqreply.FromFunction_PersistedValueMutation{
			{MutationType: reqreply.FromFunction_PersistedValueMutation_MODIFY, StateName: "items", StateValue: typed("example/items", "[]")},
			{StateName: "seen"},
		},
		OutgoingMessages: []*reqreply.FromFunction_Invocation{{Target: kim, Argument: typed("t/x", "1")}},
		DelayedInvocations: []*reqreply.FromFunction_DelayedInvocation{
			{DelayInMs: 250, Target: kim, Argument: typed("t/x", "2"), CancellationToken: "later"},
			{IsCancellationRequest: true, CancellationToken: "later"},
			{DelayInMs: -1},
		},
		OutgoingEgresses: []*reqreply.FromFunction_EgressMessage{{EgressNamespace: "example", EgressType: "out", Argument: typed("t/y", "3")}},
	}}}
}

func sampleIncomplete() *reqreply.FromFunction {
	return &reqreply.FromFunction{Response: &reqreply.FromFunction_IncompleteInvocationContext_{
		IncompleteInvocationContext: &reqreply.FromFunction_IncompleteInvocationContext{
			MissingValues: []*reqreply.FromFunction_PersistedValueSpec{
				{StateName: "a", TypeTypename: "t/a"},
				{StateName: "b", ExpirationSpec: &reqreply.FromFunction_ExpirationSpec{}},
				{StateName: "c", ExpirationSpec: &reqreply.FromFunction_ExpirationSpec{Mode: 2, ExpireAfterMillis: 5000}},
			},
		},
	}}
}

// embed writes a length-delimited field.
func embed(num protowire.Number, parts ...[]byte) []byte {
	b := protowire.AppendTag(nil, num, protowire.BytesType)
	return protowire.AppendBytes(b, bytes.Join(parts, nil))
}

func varint(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

func group(num protowire.Number, inner ...[]byte) []byte {
	b := protowire.AppendTag(nil, num, protowire.StartGroupType)
	b = append(b, bytes.Join(inner, nil)...)
	return protowire.AppendTag(b, num, protowire.EndGroupType)
}

// cases are answers with the corners of protobuf's rules; the oracle says what each means.
func cases(tb testing.TB) map[string][]byte {
	result, incomplete := marshal(tb, sampleFromFunction()), marshal(tb, sampleIncomplete())
	mutation := func(parts ...[]byte) []byte { return embed(100, embed(1, parts...)) }
	return map[string][]byte{
		"empty":                     nil,
		"a full result":             result,
		"missing states":            incomplete,
		"the last alternative wins": append(bytes.Clone(result), incomplete...),
		"and the other way round":   append(bytes.Clone(incomplete), result...),
		"results merge":             append(bytes.Clone(result), result...),
		"a result between two others is all there is": bytes.Join([][]byte{result, incomplete, result}, nil),
		"an empty result":                       embed(100),
		"unknown fields are skipped":            bytes.Join([][]byte{varint(7, 1<<63), embed(9, []byte("x")), result, group(12, varint(1, 1), group(3))}, nil),
		"a group that does not end":             protowire.AppendTag(nil, 12, protowire.StartGroupType),
		"a group that ends as another":          append(protowire.AppendTag(nil, 12, protowire.StartGroupType), protowire.AppendTag(nil, 13, protowire.EndGroupType)...),
		"an end without a group":                protowire.AppendTag(nil, 12, protowire.EndGroupType),
		"a known field of another wire type":    varint(100, 5),
		"a group under a known number":          group(100, varint(1, 1)),
		"field number zero":                     {0x00, 0x01},
		"wire type seven":                       {0x0f},
		"a length beyond the end":               {0xa2, 0x06, 0x05, 0x00},
		"a length of 2^63":                      {0xa2, 0x06, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
		"a varint of eleven bytes":              append([]byte{0x38}, bytes.Repeat([]byte{0xff}, 11)...),
		"an overlong tag":                       {0xa2, 0x86, 0x80, 0x00, 0x00},
		"an overlong length":                    {0xa2, 0x06, 0x80, 0x00},
		"a cut tag":                             {0xa2},
		"a tag beyond 32 bits":                  {0xa2, 0x86, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00},
		"the last scalar wins":                  mutation(embed(2, []byte("a")), embed(2, []byte("b")), varint(1, 1), varint(1, 0)),
		"embedded values merge":                 mutation(embed(3, embed(1, []byte("t/a")), varint(2, 1)), embed(3, embed(3, []byte("v"))), embed(3, embed(3, []byte("w")))),
		"embedded addresses merge":              embed(100, embed(2, embed(1, embed(1, []byte("ns"))), embed(1, embed(3, []byte("id")), embed(2, []byte("fn"))))),
		"expiry merges":                         embed(101, embed(1, embed(2, varint(1, 2)), embed(2, varint(2, 9)))),
		"an unknown mutation":                   mutation(varint(1, 77)),
		"an enum beyond 32 bits":                mutation(varint(1, 1<<32|1)),
		"a bool of two":                         embed(100, embed(3, varint(10, 2))),
		"a bool of 2^32":                        embed(100, embed(3, varint(10, 1<<32))),
		"text that is no UTF-8":                 mutation(embed(2, []byte{0xff})),
		"a typename that is no UTF-8":           mutation(embed(3, embed(1, []byte{0xc3}))),
		"bad text of the alternative that lost": append(mutation(embed(2, []byte{0xff})), incomplete...),
		"a fixed32 where text belongs":          embed(100, embed(1, protowire.AppendFixed32(protowire.AppendTag(nil, 2, protowire.Fixed32Type), 5))),
	}
}

func TestFromFunctionReadsAsProtobufDoes(t *testing.T) {
	for name, b := range cases(t) {
		t.Run(name, func(t *testing.T) { compare(t, b) })
	}
}

func FuzzFromFunction(f *testing.F) {
	for _, b := range cases(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { compare(t, b) })
}

func FuzzToFunction(f *testing.F) {
	f.Add(marshal(f, sampleToFunction()))
	f.Add([]byte{0xa2, 0x06, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		var oracle, again reqreply.ToFunction
		var got wire.ToFunction
		wantErr, err := proto.Unmarshal(b, &oracle), got.Parse(b)
		if (wantErr != nil) != (err != nil) {
			t.Fatalf("%x: got error %v, want %v", b, err, wantErr)
		}
		if err != nil || oracle.GetInvocation() == nil {
			return
		}
		size := got.Size()
		enc := got.Append(nil)
		if len(enc) != size {
			t.Fatalf("Size says %d, Append wrote %d", size, len(enc))
		}
		if err := proto.Unmarshal(enc, &again); err != nil {
			t.Fatal(err)
		}
		if err := discardUnknown(&oracle, &again); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(&oracle, &again) {
			t.Fatalf("got %v, want %v", &again, &oracle)
		}
	})
}

// discardUnknown brings two readings to what the codec keeps: it writes target and arguments even when absent.
func discardUnknown(msgs ...*reqreply.ToFunction) error {
	for _, m := range msgs {
		b, err := proto.Marshal(m)
		if err != nil {
			return err
		}
		proto.Reset(m)
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, m); err != nil {
			return err
		}
		in := m.GetInvocation()
		if in.Target == nil {
			in.Target = &reqreply.Address{}
		}
		for _, i := range in.Invocations {
			if i.Argument == nil {
				i.Argument = &reqreply.TypedValue{}
			}
		}
	}
	return nil
}

func TestToFunctionIsWrittenAsGenerated(t *testing.T) {
	want := marshal(t, sampleToFunction())
	var f wire.ToFunction
	if err := f.Parse(want); err != nil {
		t.Fatal(err)
	}
	if n := f.Size(); n != len(want) {
		t.Errorf("Size %d, want %d", n, len(want))
	}
	if got := f.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func FuzzTypedValue(f *testing.F) {
	f.Add(marshal(f, typed("a/b", "v")))
	f.Add([]byte{0x10, 0x00})
	whole := marshal(f, typed("a/b", "v"))
	for n := range whole {
		f.Add(whole[:n])
	}
	for _, more := range [][]byte{{0x1a, 0}, {0x20, 1}, {0x12, 0}, whole} {
		f.Add(append(bytes.Clone(whole), more...))
	}
	for _, n := range []int{127, 128} {
		f.Add(marshal(f, typed(strings.Repeat("a", n), "v")))
		f.Add(marshal(f, typed("a/b", strings.Repeat("v", n))))
	}
	for _, form := range []string{
		"\x0a\x01a\x10\x02\x1a\x01v", "\x0a\x01a\x10\x00\x1a\x01v", "\x0a\x01a\x10\x81\x00\x1a\x01v", "\x0a\x01a\x10\x01\x1a\x00", "\x0a\x01\xff\x10\x01",
		"\x0a\x81\x00a\x10\x01\x1a\x01v", "\x0a\x01a\x10\x01\x1a\x81\x00v", "\x1a\x01v\x10\x01\x0a\x01a", "\x0a\x01a\x1a\x01v",
	} {
		f.Add([]byte(form))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var want reqreply.TypedValue
		wantErr := proto.Unmarshal(b, &want)
		got, err := wire.ParseTypedValue(b)
		if (wantErr != nil) != (err != nil) {
			t.Fatalf("%x: got error %v, want %v", b, err, wantErr)
		}
		if err != nil {
			return
		}
		enc := got.Append(nil)
		want.ProtoReflect().SetUnknown(nil)
		if wantEnc := marshal(t, &want); !bytes.Equal(enc, wantEnc) || len(enc) != got.Size() {
			t.Fatalf("got %x (size %d), want %x", enc, got.Size(), wantEnc)
		}
	})
}

func TestManyOccurrencesOfOneValueAreReadInLinearTime(t *testing.T) {
	one := embed(3, varint(2, 1), embed(3, []byte("v")))
	b := embed(100, embed(1, bytes.Repeat(one, 1<<18)))
	var f wire.FromFunction
	if err := f.Parse(b); err != nil {
		t.Fatal(err)
	}
	if got := len(f.Mutations[0].Value.Raw); got != 5<<18 {
		t.Errorf("merged %d bytes, want %d", got, 5<<18)
	}
}

// Two bytes of an answer make an effect of a hundred bytes in memory: without a limit, 32 MiB would fill all of it.
func TestAnAnswerHasAMillionEntriesAtMost(t *testing.T) {
	for name, answer := range map[string]struct {
		alternative byte
		entry       string
	}{
		"effects": {0xa2, "\x0a\x00\x12\x00\x1a\x00\x22\x00"}, "missing": {0xaa, "\x0a\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			entries := func(n int) []byte {
				b := strings.Repeat(answer.entry, n/(len(answer.entry)/2))
				return append(protowire.AppendVarint([]byte{answer.alternative, 0x06}, uint64(len(b))), b...)
			}
			var f wire.FromFunction
			if err := f.Parse(entries(wire.MaxEntries)); err != nil {
				t.Fatal(err)
			}
			f = wire.FromFunction{}
			if err := f.Parse(entries(wire.MaxEntries + 4)); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
			if n := cap(f.Mutations) + cap(f.Messages) + cap(f.Delayed) + cap(f.Egresses) + cap(f.Missing); n > 2*wire.MaxEntries {
				t.Errorf("room for %d entries was made", n)
			}
		})
	}
}

func TestParsingAgainAllocatesNothing(t *testing.T) {
	result, request := marshal(t, sampleFromFunction()), marshal(t, sampleToFunction())
	var from wire.FromFunction
	var to wire.ToFunction
	buf := make([]byte, 0, 1024)
	allocs := testing.AllocsPerRun(100, func() {
		if from.Parse(result) != nil || to.Parse(request) != nil {
			t.Fatal("cannot parse")
		}
		to.Size()
		buf = to.Append(buf[:0])
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

func BenchmarkFromFunctionParse(b *testing.B) {
	result := marshal(b, sampleFromFunction())
	var f wire.FromFunction
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Parse(result); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkToFunctionAppend(b *testing.B) {
	var f wire.ToFunction
	if err := f.Parse(marshal(b, sampleToFunction())); err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		f.Size()
		buf = f.Append(buf[:0])
	}
}
