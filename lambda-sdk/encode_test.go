package stateway

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/protocol/reqreply"
)

// The sizes written before nested messages are right for short and long contents alike: the generated code reads the
// answer and writes it back with the same length.
func TestEncodedEffectsAreReadByTheGeneratedCode(t *testing.T) {
	for _, n := range []int{0, 1, 100, 127, 128, 16_383, 16_384, 70_000} {
		long := strings.Repeat("x", n)
		raw, err := Bytes.Of([]byte(long)).AppendTypedValue(nil)
		if err != nil {
			t.Fatal(err)
		}
		to := FunctionType("ns/name").At(long)
		effects := Effects{
			Mutations: []Mutation{{Name: "a" + long, Value: raw}, {Name: "gone"}},
			Messages:  []Outgoing{{Target: to, Argument: raw}},
			Delayed: []Delayed{
				{Millis: 1 << 40, Target: to, Argument: raw, Token: long},
				{Token: "t" + long, Cancel: true},
				{Target: to, Argument: raw},
			},
			Egress: []EgressRecord{{Egress: "e/f", Argument: raw}},
		}
		checkReadBack(t, effects.AppendFromFunction([]byte("kept"))[4:])
		missing := Effects{Missing: []ValueSpec{
			{Name: "n" + long, TypeName: "a/b"},
			{Name: "w", TypeName: "a/b", Mode: ExpireModeWrite, ExpireAfterMillis: 1},
			{Name: "i", TypeName: "a/b", Mode: ExpireModeInvocation, ExpireAfterMillis: 1 << 50},
		}}
		checkReadBack(t, missing.AppendFromFunction(nil))
	}
}

func checkReadBack(t *testing.T, answer []byte) {
	t.Helper()
	var from reqreply.FromFunction
	if err := proto.Unmarshal(answer, &from); err != nil {
		t.Fatal(err)
	}
	if proto.Size(&from) != len(answer) {
		t.Errorf("%d bytes, the generated code writes %d", len(answer), proto.Size(&from))
	}
}
