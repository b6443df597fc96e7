package group_test

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/stateway/stateway/protocol/group"
)

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func unzstd(tb testing.TB, frame []byte) []byte {
	tb.Helper()
	z, err := zstd.NewReader(nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer z.Close()
	b, err := z.DecodeAll(frame, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestOthersReadWhatIsWritten(t *testing.T) {
	batch := batchType(t)
	read := map[group.Encoding]func(*testing.T, []byte) []plainEvent{
		group.JSON:     func(t *testing.T, b []byte) []plainEvent { return fromSDK(t, b) },
		group.Protobuf: func(t *testing.T, b []byte) []plainEvent { return mustProto(t)(fromProto(batch, b)) },
		group.Packed:   func(t *testing.T, b []byte) []plainEvent { return mustProto(t)(fromProto(batch, unpackForTest(t, b))) },
	}
	for _, enc := range encodings {
		t.Run(enc.String(), func(t *testing.T) {
			got := read[enc](t, encodeCalls(t, enc, sampleCalls()))
			if diff := cmp.Diff(normal(callsAsPlain(sampleCalls())), normal(got)); diff != "" {
				t.Errorf("calls (-want +got)\n%s", diff)
			}
			got = read[enc](t, encodeAnswers(t, enc, sampleAnswers()))
			if diff := cmp.Diff(normal(answersAsPlain(sampleAnswers())), normal(got)); diff != "" {
				t.Errorf("answers (-want +got)\n%s", diff)
			}
		})
	}
}

func mustProto(t *testing.T) func([]plainEvent, error) []plainEvent {
	return func(events []plainEvent, err error) []plainEvent {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return events
	}
}

func TestWhatOthersWriteIsRead(t *testing.T) {
	batch := batchType(t)
	write := map[group.Encoding]func(*testing.T, []plainEvent) []byte{
		group.JSON:     func(t *testing.T, events []plainEvent) []byte { return encodeSDK(t, events) },
		group.Protobuf: func(t *testing.T, events []plainEvent) []byte { return encodeProto(t, batch, events) },
	}
	sameBytes := cmp.Comparer(func(a, b []byte) bool { return string(a) == string(b) }) // the SDK leaves empty data out
	for enc, write := range write {
		t.Run(enc.String(), func(t *testing.T) {
			calls := sampleCalls()
			calls[1].Data = []byte{1}
			gotCalls, err := group.ParseCalls(enc, write(t, callsAsPlain(calls)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(calls, gotCalls); diff != "" {
				t.Errorf("calls (-want +got)\n%s", diff)
			}
			gotAnswers, err := group.ParseAnswers(enc, write(t, answersAsPlain(sampleAnswers())), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sampleAnswers(), gotAnswers, sameBytes); diff != "" {
				t.Errorf("answers (-want +got)\n%s", diff)
			}
		})
	}
}
