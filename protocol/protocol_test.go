package protocol_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stateway/stateway/protocol/egress"
	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/types"
)

// The wire shape of every message, one line a field, as StateFun 3.3 publishes it.
const wireShape = `
io.statefun.sdk.egress.KafkaProducerRecord key 1 string
io.statefun.sdk.egress.KafkaProducerRecord topic 3 string
io.statefun.sdk.egress.KafkaProducerRecord value_bytes 2 bytes
io.statefun.sdk.egress.KinesisEgressRecord explicit_hash_key 4 string
io.statefun.sdk.egress.KinesisEgressRecord partition_key 1 string
io.statefun.sdk.egress.KinesisEgressRecord stream 3 string
io.statefun.sdk.egress.KinesisEgressRecord value_bytes 2 bytes
io.statefun.sdk.reqreply.Address id 3 string
io.statefun.sdk.reqreply.Address namespace 1 string
io.statefun.sdk.reqreply.Address type 2 string
io.statefun.sdk.reqreply.FromFunction incomplete_invocation_context 101 io.statefun.sdk.reqreply.FromFunction.IncompleteInvocationContext
io.statefun.sdk.reqreply.FromFunction invocation_result 100 io.statefun.sdk.reqreply.FromFunction.InvocationResponse
io.statefun.sdk.reqreply.FromFunction.DelayedInvocation argument 3 io.statefun.sdk.reqreply.TypedValue
io.statefun.sdk.reqreply.FromFunction.DelayedInvocation cancellation_token 11 string
io.statefun.sdk.reqreply.FromFunction.DelayedInvocation delay_in_ms 1 int64
io.statefun.sdk.reqreply.FromFunction.DelayedInvocation is_cancellation_request 10 bool
io.statefun.sdk.reqreply.FromFunction.DelayedInvocation target 2 io.statefun.sdk.reqreply.Address
io.statefun.sdk.reqreply.FromFunction.EgressMessage argument 3 io.statefun.sdk.reqreply.TypedValue
io.statefun.sdk.reqreply.FromFunction.EgressMessage egress_namespace 1 string
io.statefun.sdk.reqreply.FromFunction.EgressMessage egress_type 2 string
io.statefun.sdk.reqreply.FromFunction.ExpirationSpec expire_after_millis 2 int64
io.statefun.sdk.reqreply.FromFunction.ExpirationSpec mode 1 enum
io.statefun.sdk.reqreply.FromFunction.IncompleteInvocationContext missing_values 1 repeated io.statefun.sdk.reqreply.FromFunction.PersistedValueSpec
io.statefun.sdk.reqreply.FromFunction.Invocation argument 2 io.statefun.sdk.reqreply.TypedValue
io.statefun.sdk.reqreply.FromFunction.Invocation target 1 io.statefun.sdk.reqreply.Address
io.statefun.sdk.reqreply.FromFunction.InvocationResponse delayed_invocations 3 repeated io.statefun.sdk.reqreply.FromFunction.DelayedInvocation
io.statefun.sdk.reqreply.FromFunction.InvocationResponse outgoing_egresses 4 repeated io.statefun.sdk.reqreply.FromFunction.EgressMessage
io.statefun.sdk.reqreply.FromFunction.InvocationResponse outgoing_messages 2 repeated io.statefun.sdk.reqreply.FromFunction.Invocation
io.statefun.sdk.reqreply.FromFunction.InvocationResponse state_mutations 1 repeated io.statefun.sdk.reqreply.FromFunction.PersistedValueMutation
io.statefun.sdk.reqreply.FromFunction.PersistedValueMutation mutation_type 1 enum
io.statefun.sdk.reqreply.FromFunction.PersistedValueMutation state_name 2 string
io.statefun.sdk.reqreply.FromFunction.PersistedValueMutation state_value 3 io.statefun.sdk.reqreply.TypedValue
io.statefun.sdk.reqreply.FromFunction.PersistedValueSpec expiration_spec 2 io.statefun.sdk.reqreply.FromFunction.ExpirationSpec
io.statefun.sdk.reqreply.FromFunction.PersistedValueSpec state_name 1 string
io.statefun.sdk.reqreply.FromFunction.PersistedValueSpec type_typename 3 string
io.statefun.sdk.reqreply.ToFunction invocation 100 io.statefun.sdk.reqreply.ToFunction.InvocationBatchRequest
io.statefun.sdk.reqreply.ToFunction.Invocation argument 2 io.statefun.sdk.reqreply.TypedValue
io.statefun.sdk.reqreply.ToFunction.Invocation caller 1 io.statefun.sdk.reqreply.Address
io.statefun.sdk.reqreply.ToFunction.InvocationBatchRequest invocations 3 repeated io.statefun.sdk.reqreply.ToFunction.Invocation
io.statefun.sdk.reqreply.ToFunction.InvocationBatchRequest state 2 repeated io.statefun.sdk.reqreply.ToFunction.PersistedValue
io.statefun.sdk.reqreply.ToFunction.InvocationBatchRequest target 1 io.statefun.sdk.reqreply.Address
io.statefun.sdk.reqreply.ToFunction.PersistedValue state_name 1 string
io.statefun.sdk.reqreply.ToFunction.PersistedValue state_value 2 io.statefun.sdk.reqreply.TypedValue
io.statefun.sdk.reqreply.TypedValue has_value 2 bool
io.statefun.sdk.reqreply.TypedValue typename 1 string
io.statefun.sdk.reqreply.TypedValue value 3 bytes
io.statefun.sdk.types.BooleanWrapper value 1 bool
io.statefun.sdk.types.DoubleWrapper value 1 double
io.statefun.sdk.types.FloatWrapper value 1 float
io.statefun.sdk.types.IntWrapper value 1 sfixed32
io.statefun.sdk.types.LongWrapper value 1 sfixed64
io.statefun.sdk.types.StringWrapper value 1 string
`

func TestFieldsAreThoseOfThePublishedProtocol(t *testing.T) {
	got := make(map[string]bool)
	for _, file := range []protoreflect.FileDescriptor{
		reqreply.File_io_statefun_sdk_reqreply_request_reply_proto,
		egress.File_io_statefun_sdk_egress_kafka_record_proto,
		egress.File_io_statefun_sdk_egress_kinesis_record_proto,
		types.File_io_statefun_sdk_types_types_proto,
	} {
		collect(file.Messages(), got)
	}
	want := strings.Split(strings.TrimSpace(wireShape), "\n")
	for _, line := range want {
		if !got[line] {
			t.Errorf("missing: %s", line)
		}
		delete(got, line)
	}
	for line := range got {
		t.Errorf("not in the published protocol: %s", line)
	}
}

func collect(messages protoreflect.MessageDescriptors, into map[string]bool) {
	for i := range messages.Len() {
		m := messages.Get(i)
		for j := range m.Fields().Len() {
			into[describe(m, m.Fields().Get(j))] = true
		}
		collect(m.Messages(), into)
	}
}

func describe(m protoreflect.MessageDescriptor, f protoreflect.FieldDescriptor) string {
	kind := f.Kind().String()
	if f.Message() != nil {
		kind = string(f.Message().FullName())
	}
	if f.IsList() {
		kind = "repeated " + kind
	}
	return fmt.Sprintf("%s %s %d %s", m.FullName(), f.Name(), f.Number(), kind)
}

func TestEnumNumbers(t *testing.T) {
	got := []int32{
		int32(reqreply.FromFunction_PersistedValueMutation_DELETE),
		int32(reqreply.FromFunction_PersistedValueMutation_MODIFY),
		int32(reqreply.FromFunction_ExpirationSpec_NONE),
		int32(reqreply.FromFunction_ExpirationSpec_AFTER_WRITE),
		int32(reqreply.FromFunction_ExpirationSpec_AFTER_INVOKE),
	}
	if fmt.Sprint(got) != "[0 1 0 1 2]" {
		t.Errorf("enum numbers %v", got)
	}
}

func TestGoldenBytes(t *testing.T) {
	cases := []struct {
		name string
		msg  proto.Message
		want string
	}{
		{"true is one varint", &types.BooleanWrapper{Value: true}, "0801"},
		{"false is nothing", &types.BooleanWrapper{}, ""},
		{"int is fixed32", &types.IntWrapper{Value: 1}, "0d01000000"},
		{"a negative int stays four bytes", &types.IntWrapper{Value: -2}, "0dfeffffff"},
		{"int 0 is nothing", &types.IntWrapper{}, ""},
		{"float", &types.FloatWrapper{Value: 1.5}, "0d0000c03f"},
		{"long is fixed64", &types.LongWrapper{Value: 258}, "090201000000000000"},
		{"double", &types.DoubleWrapper{Value: -2}, "0900000000000000c0"},
		{"string", &types.StringWrapper{Value: "hé"}, "0a0368c3a9"},
		{"the empty string is nothing", &types.StringWrapper{}, ""},
		{
			"a result without effects is the tag A2 06 and a length of 0",
			&reqreply.FromFunction{Response: &reqreply.FromFunction_InvocationResult{InvocationResult: &reqreply.FromFunction_InvocationResponse{}}},
			"a20600",
		},
		{
			"an incomplete context is the tag AA 06",
			&reqreply.FromFunction{Response: &reqreply.FromFunction_IncompleteInvocationContext_{
				IncompleteInvocationContext: &reqreply.FromFunction_IncompleteInvocationContext{},
			}},
			"aa0600",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.msg)
			if err != nil {
				t.Fatal(err)
			}
			if hex.EncodeToString(got) != c.want {
				t.Errorf("got %x, want %s", got, c.want)
			}
		})
	}
}

// A .proto file without its generated Go file means that somebody forgot `go generate ./protocol/...`.
func TestEveryProtoFileIsGenerated(t *testing.T) {
	protos, err := filepath.Glob("proto/io/statefun/sdk/*/*.proto")
	if err != nil || len(protos) == 0 {
		t.Fatalf("no .proto files: %v", err)
	}
	for _, path := range protos {
		folder := filepath.Base(filepath.Dir(path))
		name := strings.TrimSuffix(filepath.Base(path), ".proto") + ".pb.go"
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Errorf("%s has no generated file: run go generate ./protocol/...: %v", path, err)
		}
	}
}
