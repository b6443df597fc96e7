package stateway_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/types"
)

func TestBuiltinTypesHaveTheEncodingsOfStateFun(t *testing.T) {
	same(t, stateway.Bool, "io.statefun.types/bool", true, "0801")
	same(t, stateway.Bool, "io.statefun.types/bool", false, "")
	same(t, stateway.Int32, "io.statefun.types/int", 1, "0d01000000")
	same(t, stateway.Int32, "io.statefun.types/int", -2, "0dfeffffff")
	same(t, stateway.Int32, "io.statefun.types/int", 0, "")
	same(t, stateway.Int64, "io.statefun.types/long", 258, "090201000000000000")
	same(t, stateway.Int64, "io.statefun.types/long", math.MinInt64, "090000000000000080")
	same(t, stateway.Int64, "io.statefun.types/long", 0, "")
	same(t, stateway.Float32, "io.statefun.types/float", 1.5, "0d0000c03f")
	same(t, stateway.Float32, "io.statefun.types/float", 0, "")
	same(t, stateway.Float64, "io.statefun.types/double", -2, "0900000000000000c0")
	same(t, stateway.Float64, "io.statefun.types/double", math.Copysign(0, -1), "090000000000000080")
	same(t, stateway.String, "io.statefun.types/string", "hé", "0a0368c3a9")
	same(t, stateway.String, "io.statefun.types/string", "", "")
}

func same[T comparable](t *testing.T, typ stateway.Type[T], name string, v T, want string) {
	t.Helper()
	p := typ.Of(v)
	if p.Err() != nil || p.TypeName() != name || hex.EncodeToString(p.Bytes()) != want {
		t.Errorf("%v is %v, want %s(%s)", v, p, name, want)
	}
	back, err := typ.Read(p.Message())
	if err != nil || back != v {
		t.Errorf("read back %v, %v, want %v", back, err, v)
	}
}

func TestCustomTypes(t *testing.T) {
	upper := stateway.NewType("a/upper",
		func(s string) ([]byte, error) { return []byte(strings.ToUpper(s)), nil },
		func(b []byte) (string, error) { return string(b), nil },
	)
	if got := upper.Of("x").String(); got != `a/upper("X")` {
		t.Error(got)
	}
	wrapped := stateway.Protobuf[*wrapperspb.StringValue]()
	p := wrapped.Of(wrapperspb.String("v"))
	if p.TypeName() != "type.googleapis.com/google.protobuf.StringValue" {
		t.Error(p.TypeName())
	}
	if m, err := wrapped.Read(p.Message()); err != nil || m.GetValue() != "v" {
		t.Errorf("read back %v, %v", m, err)
	}
	if got := stateway.ProtobufNamed[*wrapperspb.StringValue]("a/b").Of(nil); got.Err() != nil || got.TypeName() != "a/b" {
		t.Errorf("a nil message: %v", got)
	}
}

func TestADecodedValueOwnsItsMemory(t *testing.T) {
	raw := []byte("abc")
	kept := stateway.NewType("a/b", func(b []byte) ([]byte, error) { return b, nil }, func(b []byte) ([]byte, error) { return b, nil })
	for _, typ := range []stateway.Type[[]byte]{stateway.Bytes, kept} {
		got, err := typ.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		raw[0] = 'X'
		if !bytes.Equal(got, []byte("abc")) {
			t.Errorf("%s: %q changed with its source", typ.Name(), got)
		}
		raw[0] = 'a'
	}
}

func TestErrorsOfTypes(t *testing.T) {
	broken := stateway.NewType("a/b", func(int) ([]byte, error) { return nil, errors.New("too big") }, func([]byte) (int, error) { return 0, nil })
	valueless, err := stateway.ParseTypedValue([]byte("\x0a\x18io.statefun.types/string"))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		got  error
		want string
	}{
		{"encode fails", broken.Of(1).Err(), "encode a/b: too big"},
		{"JSON cannot encode", stateway.JSON[chan int]("a/b").Of(nil).Err(), "encode a/b: json: unsupported type"},
		{"JSON does not decode", second(stateway.JSON[int]("a/b").Decode([]byte("{"))), "decode a/b: unexpected end of JSON"},
		{"protobuf does not decode", second(stateway.Protobuf[*wrapperspb.BoolValue]().Decode([]byte{0xff})), "decode type.googleapis.com"},
		{"an int cut short", second(stateway.Int32.Decode([]byte{0x0d, 1})), "decode io.statefun.types/int"},
		{"a bool cut short", second(stateway.Bool.Decode([]byte{0x08})), "decode io.statefun.types/bool"},
		{"a string longer than its bytes", second(stateway.String.Decode([]byte{0x0a, 9, 'x'})), "decode io.statefun.types/string"},
		{"a string that is not UTF-8", second(stateway.String.Decode([]byte{0x0a, 1, 0xff})), "not UTF-8"},
		{"a string to encode that is not UTF-8", stateway.String.Of("\xff").Err(), "not UTF-8"},
		{"another type", second(stateway.Int64.Read(stateway.Int32.Of(1).Message())), `of type "io.statefun.types/int", not "io.statefun.types/long"`},
		{"no value", second(stateway.String.Read(valueless)), "carries no value"},
		{"a typename without slash", stateway.JSON[int]("b").Of(1).Err(), `"b" is not of the form namespace/name`},
		{"a typename with two slashes", stateway.RawPayload("a/b/c", nil).Err(), "more than one slash"},
		{"a nil function", stateway.NewType[int]("a/b", nil, nil).Of(1).Err(), "lacks its encode or decode"},
		{"a zero type", second(stateway.Type[int]{}.Decode(nil)), "zero stateway.Type"},
		{"an interface as message", stateway.Protobuf[proto.Message]().Of(nil).Err(), "not an interface"},
		{"an empty payload", second(stateway.Payload{}.AppendTypedValue(nil)), "empty payload"},
		{"a Kafka record without topic", stateway.KafkaRecord("", "k", stateway.Text("")).Err(), "needs a topic"},
		{"a Kafka record of a broken value", stateway.KafkaRecord("t", "k", broken.Of(1)).Err(), "Kafka record: encode a/b: too big"},
		{"a Kafka record without value", stateway.KafkaRecord("t", "k", stateway.Payload{}).Err(), "empty payload as value"},
		{"a Kafka key that is not UTF-8", stateway.KafkaRecord("t", "\xff", stateway.Text("")).Err(), "not UTF-8"},
		{"a Kinesis record without key", stateway.KinesisRecord("s", "", stateway.Text("")).Err(), "needs a stream and a partition key"},
		{"a playground record without topic", stateway.PlaygroundRecord("", "x").Err(), "needs a topic"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.got == nil || !strings.Contains(c.got.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", c.got, c.want)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// Every built-in decoder reads what the generated code reads, and nothing makes it panic.
func FuzzBuiltinTypes(f *testing.F) {
	for _, seed := range []string{"", "0801", "0d01000000", "090201000000000000", "0a0368c3a9", "0a", "08ffffffffffffffffff01", "0a01ff", "909090903030"} {
		b, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		agree(t, data, stateway.Bool, new(types.BooleanWrapper), (*types.BooleanWrapper).GetValue)
		agree(t, data, stateway.Int32, new(types.IntWrapper), (*types.IntWrapper).GetValue)
		agree(t, data, stateway.Int64, new(types.LongWrapper), (*types.LongWrapper).GetValue)
		agree(t, data, stateway.String, new(types.StringWrapper), (*types.StringWrapper).GetValue)
	})
}

func agree[T comparable, M proto.Message](t *testing.T, data []byte, typ stateway.Type[T], m M, value func(M) T) {
	t.Helper()
	want := proto.Unmarshal(data, m)
	got, err := typ.Decode(data)
	if (err == nil) != (want == nil) {
		t.Fatalf("%s: error %v, the generated code: %v", typ.Name(), err, want)
	}
	if err == nil && got != value(m) {
		t.Fatalf("%s: %v, the generated code: %v", typ.Name(), got, value(m))
	}
}
