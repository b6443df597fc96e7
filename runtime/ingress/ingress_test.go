package ingress_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/protocol/types"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

func TestEncodeValueIsProtobuf(t *testing.T) {
	for _, payload := range []string{"", "x", string(make([]byte, 300))} {
		got := ingress.EncodeValue("a/b", []byte(payload))
		want, err := proto.Marshal(&reqreply.TypedValue{Typename: "a/b", HasValue: true, Value: []byte(payload)})
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) || len(got) != cap(got) && payload != "" {
			t.Errorf("%d bytes: got %x (cap %d), want %x", len(payload), got, cap(got), want)
		}
	}
}

func TestBuiltInTypesAreProtobuf(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 1 << 62} {
		want, _ := proto.Marshal(&types.LongWrapper{Value: v})
		if got := ingress.AppendLong(nil, v); string(got) != string(want) {
			t.Errorf("long %d: got %x, want %x", v, got, want)
		}
	}
	for _, v := range []string{"", "hi", string(make([]byte, 200))} {
		want, _ := proto.Marshal(&types.StringWrapper{Value: v})
		if got := ingress.AppendText(nil, v); string(got) != string(want) {
			t.Errorf("text %q: got %x, want %x", v, got, want)
		}
	}
}

func TestTargetsFanOutInOrder(t *testing.T) {
	r := ingress.Chain(ingress.Targets("a/one", "a/two"), ingress.Targets("b/three"))
	tr := trace.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	got, err := r(ingress.Record{Key: "Kim", Typename: "x/y", Value: []byte("v"), Dedupe: "d", Trace: tr}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []core.FunctionType{"a/one", "a/two", "b/three"}
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d", len(got), len(want))
	}
	for i, m := range got {
		if m.Target != (core.Address{Type: want[i], ID: "Kim"}) || m.Dedupe != "d" || m.Trace != tr || string(m.Arg) != string(ingress.EncodeValue("x/y", []byte("v"))) {
			t.Errorf("message %d: %+v", i, m)
		}
	}
}

func TestRecordWithoutKeyIsRefused(t *testing.T) {
	if _, err := ingress.Targets("a/b")(ingress.Record{Typename: "x/y"}, nil); err == nil {
		t.Fatal("no error for a record without key")
	}
}
