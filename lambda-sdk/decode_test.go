package stateway

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/protocol/reqreply"
)

// Whatever the generated code reads, the decoder here reads as the same; nothing makes it panic.
func FuzzDecodeToFunction(f *testing.F) {
	for _, seed := range recordedRequests(f) {
		f.Add(seed)
	}
	f.Add([]byte{})
	f.Add([]byte{0xa2, 0x06, 0x00})
	f.Add([]byte{0xa2, 0x06, 0x04, 0x0a, 0x02, 0x0a, 0x00}) // an empty namespace
	f.Add([]byte("\xa2\x06\x08\x1a\x06\x12\x01\x0a\x12\x01\x00"))
	f.Add([]byte("\xa2\x06\x06\x0a\x01\x1a\x0a\x01\x1a")) // a target in two parts, both cut short
	f.Fuzz(func(t *testing.T, data []byte) {
		var got Batch
		err := new(registry).decodeToFunction(data, &got)
		var want reqreply.ToFunction
		if proto.Unmarshal(data, &want) != nil || want.GetInvocation() == nil {
			return // what is no message must only not panic; nested errors are found when they are read
		}
		if err != nil {
			t.Fatalf("the generated code reads it, but: %v", err)
		}
		compareBatch(t, &got, want.GetInvocation())
	})
}

// A request in which a field comes again and again costs no more than its length, and stays as it was.
func TestAFieldThatIsRepeatedOften(t *testing.T) {
	const times = 10_000
	var in []byte
	for range times {
		in = append(in, 0x12, 2, 0x12, 0) // an argument with an empty typename
	}
	data := protowire.AppendBytes([]byte{0x1a}, in)
	data = protowire.AppendBytes([]byte{0xa2, 0x06}, data)
	before := bytes.Clone(data)
	var b Batch
	allocs := testing.AllocsPerRun(1, func() {
		b.Reset()
		if err := new(registry).decodeToFunction(data, &b); err != nil {
			t.Fatal(err)
		}
	})
	if len(b.Messages) != 1 || len(b.Messages[0].Argument) != 2*times || !bytes.Equal(data, before) {
		t.Errorf("%d messages, %d bytes", len(b.Messages), len(b.Messages[0].Argument))
	}
	if allocs > 100 {
		t.Errorf("%.0f allocations", allocs)
	}
}

func compareBatch(t *testing.T, got *Batch, want *reqreply.ToFunction_InvocationBatchRequest) {
	t.Helper()
	if want.Target != nil && got.Target != addressOf(want.Target) {
		t.Fatalf("target %v, want %v", got.Target, want.Target)
	}
	if len(got.State) != len(want.State) || len(got.Messages) != len(want.Invocations) {
		t.Fatalf("%d states and %d messages, want %d and %d", len(got.State), len(got.Messages), len(want.State), len(want.Invocations))
	}
	for i, s := range want.State {
		if got.State[i].Name != s.StateName {
			t.Fatalf("state %q, want %q", got.State[i].Name, s.StateName)
		}
		compareValue(t, got.State[i].Value, s.StateValue)
	}
	for i, inv := range want.Invocations {
		m := got.Messages[i]
		if m.HasCaller != (inv.Caller != nil) || m.HasCaller && m.Caller != addressOf(inv.Caller) {
			t.Fatalf("caller %v %v, want %v", m.HasCaller, m.Caller, inv.Caller)
		}
		compareValue(t, m.Argument, inv.Argument)
	}
}

func compareValue(t *testing.T, raw []byte, want *reqreply.TypedValue) {
	t.Helper()
	m, err := ParseTypedValue(raw)
	if err != nil {
		t.Fatal(err)
	}
	if m.TypeName() != want.GetTypename() || m.present != want.GetHasValue() || !bytes.Equal(m.value, want.GetValue()) {
		t.Fatalf("value %+v, want %v", m, want)
	}
}

func addressOf(a *reqreply.Address) Address {
	return FunctionType(a.Namespace + "/" + a.Type).At(a.Id)
}

func recordedRequests(t testing.TB) [][]byte {
	t.Helper()
	data, err := os.ReadFile("testdata/statefun-go-3.3.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Request string }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	var requests [][]byte
	for _, g := range all {
		b, err := hex.DecodeString(g.Request)
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, b)
	}
	return requests
}
