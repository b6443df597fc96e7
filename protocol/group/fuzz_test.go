package group_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/protocol/group"
)

// seeds are groups of both directions, whole and spoiled.
func seeds(tb testing.TB, enc group.Encoding) [][]byte {
	calls, answers := encodeCalls(tb, enc, sampleCalls()), encodeAnswers(tb, enc, sampleAnswers())
	return [][]byte{calls, answers, calls[:len(calls)/2], answers[1:], encodeCalls(tb, enc, nil)}
}

// parseBoth parses b as calls and as answers, and checks what holds of whatever comes out.
func parseBoth(t *testing.T, enc group.Encoding, b []byte) ([]group.Call, []group.Answer, error) {
	t.Helper()
	before := bytes.Clone(b)
	calls, err := group.ParseCalls(enc, b, nil)
	answers, errAnswers := group.ParseAnswers(enc, b, nil)
	if (err == nil) != (errAnswers == nil) || err != nil && !errors.Is(err, group.ErrMalformed) {
		t.Fatalf("calls: %v, answers: %v", err, errAnswers)
	}
	if len(calls) != len(answers) {
		t.Fatalf("%d calls, %d answers", len(calls), len(answers))
	}
	if !bytes.Equal(b, before) {
		t.Fatal("the input was changed")
	}
	again(t, enc, calls, answers)
	return calls, answers, err
}

// again writes what was parsed in every encoding and reads it back.
func again(t *testing.T, enc group.Encoding, calls []group.Call, answers []group.Answer) {
	t.Helper()
	var goodCalls []group.Call
	for _, c := range calls {
		if c.Err == nil {
			goodCalls = append(goodCalls, c)
		}
	}
	var goodAnswers []group.Answer
	for _, a := range answers {
		if a.Kind != group.Invalid && len(a.Message) <= group.MaxMessage {
			goodAnswers = append(goodAnswers, a)
		}
	}
	sameBytes := cmp.Comparer(func(a, b []byte) bool { return string(a) == string(b) })
	got, err := group.ParseCalls(enc, encodeCalls(t, enc, goodCalls), nil)
	if diff := cmp.Diff(goodCalls, got, sameBytes); err != nil || diff != "" {
		t.Fatalf("%v (-want +got)\n%s", err, diff)
	}
	gotAnswers, err := group.ParseAnswers(enc, encodeAnswers(t, enc, goodAnswers), nil)
	if diff := cmp.Diff(goodAnswers, gotAnswers, sameBytes); err != nil || diff != "" {
		t.Fatalf("%v (-want +got)\n%s", err, diff)
	}
}

func FuzzJSON(f *testing.F) {
	for _, b := range seeds(f, group.JSON) {
		f.Add(b)
	}
	f.Add([]byte(`[{` + failed + `,"errorkind":"retry","data":"\ud83d\ude00\n","x":[{"a":[1.5e-7,true,null]}]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		calls, _, err := parseBoth(t, group.JSON, b)
		var events []map[string]json.RawMessage
		if ours := json.Unmarshal(b, &events); err == nil && (ours != nil || len(events) != len(calls)) {
			t.Fatalf("read %d events, encoding/json %d and %v", len(calls), len(events), ours)
		}
	})
}

func FuzzProtobuf(f *testing.F) {
	batch := batchType(f)
	for _, b := range seeds(f, group.Protobuf) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		calls, answers, err := parseBoth(t, group.Protobuf, b)
		want, wantErr := fromProto(batch, b)
		if (wantErr == nil) != (err == nil) {
			t.Fatalf("got %v, want %v", err, wantErr)
		}
		if len(calls) != len(want) {
			t.Fatalf("read %d events, want %d", len(calls), len(want))
		}
		for i := range want {
			if calls[i].Err == nil {
				compare(t, callsAsPlain(calls[i : i+1])[0], want[i], calls[i].ID, string(calls[i].Data))
			}
			if answers[i].Kind == group.Result {
				compare(t, answersAsPlain(answers[i : i+1])[0], want[i], answers[i].ID, string(answers[i].Data))
			}
		}
	})
}

func compare(t *testing.T, got, want plainEvent, id, data string) {
	t.Helper()
	if id != want.ID || got.Source != want.Source || got.Type != want.Type || data != want.Data {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func FuzzPacked(f *testing.F) {
	for _, b := range seeds(f, group.Packed) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { parseBoth(t, group.Packed, b) })
}

// FuzzLimit fills groups of any limit with data of any kind.
func FuzzLimit(f *testing.F) {
	f.Add(uint16(1000), []byte("data of a call"), uint8(30))
	f.Add(uint16(60000), random(5000), uint8(255))
	f.Fuzz(func(t *testing.T, limit uint16, data []byte, n uint8) {
		for _, enc := range encodings {
			var e group.Encoder
			e.Reset(enc, nil, int(limit)+1)
			call := sampleCalls()[0]
			for i := range int(n) {
				call.Data = data[i%(len(data)+1):]
				e.AddCall(&call)
			}
			size, items := e.Size(), e.Len()
			b := e.Finish()
			got, err := group.ParseCalls(enc, b, nil)
			if err != nil || len(got) != items || items > 0 && len(b) > min(size, int(limit)+1) {
				t.Fatalf("%s: %d bytes, told %d, limit %d; %d of %d items, %v", enc, len(b), size, limit, len(got), items, err)
			}
		}
	})
}
