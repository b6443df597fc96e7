package compat

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/protocol/types"
	"github.com/stateway/stateway/test/harness"
)

// declared are the states of the command functions, by name.
var declared = map[string]string{
	"count": "io.statefun.types/int", "flag": "io.statefun.types/bool", "ratio": "io.statefun.types/float", "label": "io.statefun.types/string",
	"profile": "compat/Profile", "blob": "compat/Blob", "log": "io.statefun.types/string", "written": "io.statefun.types/string",
	"invoked": "io.statefun.types/string", "big": "io.statefun.types/long", "precise": "io.statefun.types/double",
}

func checkHandshake(t *testing.T, l language, url string) {
	request := func(command string, states ...*reqreply.ToFunction_PersistedValue) *reqreply.ToFunction {
		return &reqreply.ToFunction{Request: &reqreply.ToFunction_Invocation_{Invocation: &reqreply.ToFunction_InvocationBatchRequest{
			Target: address{"compat/actor", "handshake"}.proto(), State: states,
			Invocations: []*reqreply.ToFunction_Invocation{{
				Argument: &reqreply.TypedValue{Typename: "compat/Command", HasValue: true, Value: []byte(command)},
			}},
		}}}
	}
	answer, err := post(url, request("add 1"))
	if err != nil {
		t.Fatal(err)
	}
	missing := answer.GetIncompleteInvocationContext().GetMissingValues()
	checkDeclared(t, l, missing)

	var states []*reqreply.ToFunction_PersistedValue
	for _, spec := range missing {
		states = append(states, &reqreply.ToFunction_PersistedValue{StateName: spec.GetStateName()})
	}
	answer, err = post(url, request(lines("add 1", "set label x", "set ratio 1.5", "delete blob"), states...))
	if err != nil {
		t.Fatal(err)
	}
	got := answer.GetInvocationResult().GetStateMutations()
	slices.SortFunc(got, func(a, b *reqreply.FromFunction_PersistedValueMutation) int {
		return strings.Compare(a.GetStateName(), b.GetStateName())
	})
	want := []*reqreply.FromFunction_PersistedValueMutation{
		{StateName: "blob"},
		modify("count", "io.statefun.types/int", []byte{0x0d, 1, 0, 0, 0}),
		modify("label", "io.statefun.types/string", []byte("\x0a\x01x")),
		modify("ratio", "io.statefun.types/float", binary.LittleEndian.AppendUint32([]byte{0x0d}, math.Float32bits(1.5))),
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("mutations (-want +got):\n%s", diff)
	}
	if _, err := post(url, request("fail handshake 1", states...)); err == nil || !strings.Contains(err.Error(), "status 500") {
		t.Errorf("a function that throws: got %v, want status 500", err)
	}
}

func modify(name, typename string, value []byte) *reqreply.FromFunction_PersistedValueMutation {
	return &reqreply.FromFunction_PersistedValueMutation{
		MutationType: reqreply.FromFunction_PersistedValueMutation_MODIFY, StateName: name,
		StateValue: &reqreply.TypedValue{Typename: typename, HasValue: true, Value: value},
	}
}

func checkDeclared(t *testing.T, l language, missing []*reqreply.FromFunction_PersistedValueSpec) {
	t.Helper()
	got, want := map[string]string{}, map[string]string{}
	for name, typename := range declared {
		if l.has(typename[strings.LastIndex(typename, "/")+1:]) {
			want[name] = typename
		}
	}
	for _, spec := range missing {
		name := spec.GetStateName()
		got[name] = spec.GetTypeTypename()
		mode, millis := reqreply.FromFunction_ExpirationSpec_NONE, int64(0)
		switch name {
		case "written":
			mode, millis = reqreply.FromFunction_ExpirationSpec_AFTER_WRITE, 3000
		case "invoked":
			mode, millis = reqreply.FromFunction_ExpirationSpec_AFTER_INVOKE, 3000
		}
		expiration := spec.GetExpirationSpec()
		if expiration.GetMode() != mode || expiration.GetExpireAfterMillis() != millis {
			t.Errorf("state %s expires %v, want %v after %d ms", name, expiration, mode, millis)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("declared states (-want +got):\n%s", diff)
	}
}

// typedRecord is how the file egress writes down a bare typed value: a built-in type as its text, anything else as it is.
func typedRecord(typename string, value []byte) harness.FileRecord {
	record := harness.FileRecord{Type: typename, Value: string(value)}
	switch typename {
	case "io.statefun.types/int":
		var v types.IntWrapper
		if proto.Unmarshal(value, &v) == nil {
			record.Value = strconv.Itoa(int(v.GetValue()))
		}
	case "io.statefun.types/string":
		var v types.StringWrapper
		if proto.Unmarshal(value, &v) == nil {
			record.Value = v.GetValue()
		}
	}
	return record
}
