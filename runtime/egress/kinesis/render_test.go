package kinesis_test

import (
	"bytes"
	"context"
	"sort"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/internal/envelope"
	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/kinesis"
)

// mirror keeps the last record and says that all is well, without shards.
type mirror struct{ last types.PutRecordsRequestEntry }

func (m *mirror) PutRecords(_ context.Context, in *sdk.PutRecordsInput, _ ...func(*sdk.Options)) (*sdk.PutRecordsOutput, error) {
	m.last = in.Records[len(in.Records)-1]
	return &sdk.PutRecordsOutput{Records: make([]types.PutRecordsResultEntry, len(in.Records))}, nil
}

func (m *mirror) ListShards(context.Context, *sdk.ListShardsInput, ...func(*sdk.Options)) (*sdk.ListShardsOutput, error) {
	return nil, &types.ResourceNotFoundException{}
}

// through sends one record through an emitter.
func through(t testing.TB, o kinesis.Options, r egress.Record) (key, explicit, data string) {
	t.Helper()
	m := &mirror{}
	o.Client = m
	e, err := kinesis.OpenEmitter(o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	done := make(chan error, 1)
	e.Emit(0, []egress.Record{r}, func(_, _ int, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if m.last.ExplicitHashKey != nil {
		explicit = *m.last.ExplicitHashKey
	}
	return *m.last.PartitionKey, explicit, string(m.last.Data)
}

func TestWhatKinesisGets(t *testing.T) {
	const id = "ab000000000000000000000000000000-3-7-11-g2"
	const event = `{"specversion":"1.0","id":"` + id + `","source":"stateway:ab000000000000000000000000000000/example/out","type":`
	long := []byte("\x09\x2a\x00\x00\x00\x00\x00\x00\x00")
	tests := []struct {
		name     string
		typename string
		value    []byte
		env      kinesis.Envelope
		rule     kinesis.KeyRule
		want     [3]string
	}{
		{"a record of the SDKs", egress.TypeKinesisRecord, record(t, "s", "k", "12", "v\xff").Value, "", "", [3]string{"k", "12", "v\xff"}},
		{"a record for a playground", egress.TypePlaygroundRecord, []byte(`{"topic":"t","payload":"p"}`), "", "", [3]string{"3", "", "p"}},
		{"a string goes as its text", "io.statefun.types/string", []byte("\x0a\x02hi"), "", "", [3]string{"3", "", "hi"}},
		{"a number goes as its text", egress.TypeLong, long, "", "", [3]string{"3", "", "42"}},
		{"a string that is none goes as it is", "io.statefun.types/string", []byte("hi"), "", "", [3]string{"3", "", "hi"}},
		{"another type goes as it is", "a/b", []byte{0, 1}, "", "", [3]string{"3", "", "\x00\x01"}},
		{"another key for each record", "a/b", []byte("x"), "", kinesis.KeyRecord, [3]string{"ab000000000000000000000000000000-3-7-11", "", "x"}},
		{"stateway", egress.TypeLong, long, "stateway", "", [3]string{"3", "", string(envelope.AppendStateway(nil, envelope.Stateway{ID: id, Typename: egress.TypeLong, Payload: long}))}},
		{"cloudevents", egress.TypeLong, long, "cloudevents", "", [3]string{"3", "", event + `"io.statefun.types/long","partitionkey":"3","datacontenttype":"text/plain","data":"42"}`}},
		{
			"cloudevents of bytes without type", egress.TypeKinesisRecord, record(t, "s", "k", "", `{"a":1}`).Value, "cloudevents", "",
			[3]string{"k", "", event + `"io.stateway/record","partitionkey":"k","datacontenttype":"application/json","data":{"a":1}}`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options(nil)
			o.Envelope, o.Key = tt.env, tt.rule
			r := egress.Record{Shard: 3, Key: core.OutboxKey{Epoch: 7, Seq: 11}, Generation: 2, Typename: tt.typename, Value: tt.value}
			key, explicit, data := through(t, o, r)
			if d := cmp.Diff(tt.want, [3]string{key, explicit, data}); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// A CloudEvent has the record's trace context; what Validate allows goes out with one as well as without.
func TestCloudEventWithTrace(t *testing.T) {
	tr := trace.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	o := options(nil)
	o.Envelope = "cloudevents"
	r := egress.Record{Shard: 3, Key: core.OutboxKey{Epoch: 7, Seq: 11}, Generation: 2, Typename: "a/b", Value: []byte("x"), Trace: tr}
	if _, _, data := through(t, o, r); !strings.Contains(data, `"partitionkey":"3","traceparent":"`+tr.String()+`","datacontenttype"`) {
		t.Error(data)
	}
	o.Client = &mirror{}
	e, err := kinesis.OpenEmitter(o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	largest := sort.Search(kinesis.DefaultRecordBytes, func(n int) bool { return e.Validate("a/b", bytes.Repeat([]byte("x"), n)) != nil }) - 1
	r.Value = bytes.Repeat([]byte("x"), largest)
	if _, _, data := through(t, o, r); !strings.Contains(data, tr.String()) {
		t.Errorf("a record of %d bytes became %d", largest, len(data))
	}
}

func TestValidate(t *testing.T) {
	room := kinesis.DefaultRecordBytes
	tests := []struct {
		name string
		o    kinesis.Options
		r    egress.Record
		err  string
	}{
		{"a record as large as may be", kinesis.Options{}, record(t, "s", "k", "", strings.Repeat("x", room-1)), ""},
		{"one byte more", kinesis.Options{}, record(t, "s", "k", "", strings.Repeat("x", room)), "a record of 1048577 bytes with its key and id: the limit is 1048576"},
		{"one byte more, if the stream takes it", kinesis.Options{RecordBytes: kinesis.MaxRecordBytes}, record(t, "s", "k", "", strings.Repeat("x", room)), ""},
		{"no room for the envelope", kinesis.Options{Envelope: kinesis.EnvelopeStateway}, record(t, "s", "k", "", strings.Repeat("x", room-50)), "with its key and id"},
		{"room for the envelope", kinesis.Options{Envelope: kinesis.EnvelopeStateway}, record(t, "s", "k", "", strings.Repeat("x", room-120)), ""},
		{"no room for base64", kinesis.Options{Envelope: kinesis.EnvelopeCloudEvents}, record(t, "s", "k", "", strings.Repeat("\xff", room*3/4)), "with its key and id"},
		{"room for an event", kinesis.Options{Envelope: kinesis.EnvelopeCloudEvents}, record(t, "s", "k", "", strings.Repeat("x", room*3/4)), ""},
		{"a key of 256 characters of several bytes", kinesis.Options{}, record(t, "s", strings.Repeat("ż", 256), "", "x"), ""},
		{"a key of 257 characters", kinesis.Options{}, record(t, "s", strings.Repeat("k", 257), "", "x"), "a partition key of 257 characters: Kinesis takes 256"},
		{"the largest hash key", kinesis.Options{}, record(t, "s", "k", "340282366920938463463374607431768211455", "x"), ""},
		{"a larger one", kinesis.Options{}, record(t, "s", "k", "340282366920938463463374607431768211456", "x"), "explicit hash key"},
		{"a stream that has no name for one", kinesis.Options{}, record(t, "a/b", "k", "", "x"), `stream "a/b": want a stream's name`},
		{"an ARN", kinesis.Options{}, record(t, "arn:aws:kinesis:eu-central-1:123456789012:stream/s", "k", "", "x"), ""},
		{"the ARN of something else", kinesis.Options{}, record(t, "arn:aws:s3:::s", "k", "", "x"), "want a stream's name"},
		{"a value without stream", kinesis.Options{}, egress.Record{Typename: "a/b"}, "a value of type a/b names no stream, and the egress has no default"},
		{"a value with a default", kinesis.Options{Stream: "s"}, egress.Record{Typename: "a/b"}, ""},
		{"a typename that no envelope holds", kinesis.Options{Stream: "s", Envelope: kinesis.EnvelopeStateway}, egress.Record{Typename: strings.Repeat("t", 1<<16+1)}, "a typename of 65537 bytes"},
		{"a typename that is no text", kinesis.Options{Stream: "s", Envelope: kinesis.EnvelopeCloudEvents}, egress.Record{Typename: "\xff"}, "a typename of 1 bytes"},
		{"a record cut short", kinesis.Options{Stream: "s"}, egress.Record{Typename: egress.TypeKinesisRecord, Value: []byte{0x0a, 9}}, "record for Kinesis"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Client = newFake(1)
			e, err := kinesis.OpenEmitter(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			err = e.Validate(tt.r.Typename, tt.r.Value)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := kinesis.OpenEmitter(kinesis.Options{
		Name: "a/b", Stream: "no such name!", Key: "k", Envelope: "e", RecordBytes: 11 << 20, AggregateBytes: 5, Lanes: -1, Linger: -time.Second,
	})
	for _, want := range []string{"kinesis egress a/b: no Client", "stream ", "key ", "envelope ", "RecordBytes", "AggregateBytes", "below zero"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}

// What Validate lets through, Kinesis takes, and the payload comes back out of its envelope.
func FuzzValidate(f *testing.F) {
	f.Add(byte(0), "s", "key", "12", []byte("value"))
	f.Add(byte(5), "", "", "", []byte("\x0a\x02hi"))
	f.Fuzz(func(t *testing.T, kind byte, stream, key, explicit string, value []byte) {
		o := options(nil)
		o.RecordBytes, o.AggregateBytes = 1024, 1024
		o.Envelope = []kinesis.Envelope{kinesis.EnvelopeNone, kinesis.EnvelopeStateway, kinesis.EnvelopeCloudEvents}[kind%3]
		r := egress.Record{Typename: "io.statefun.types/string", Value: value, Shard: 1 << 15, Key: core.OutboxKey{Epoch: 1 << 63, Seq: 1 << 63}, Generation: 1 << 63}
		if kind&4 == 0 {
			r.Typename = egress.TypeKinesisRecord
			r.Value = nil
			for i, field := range []string{key, string(value), stream, explicit} {
				r.Value = append(append(r.Value, byte(i+1)<<3|2), uvarint(len(field))...)
				r.Value = append(r.Value, field...)
			}
		}
		o.Client = newFake(1)
		e, err := kinesis.OpenEmitter(o)
		if err != nil {
			t.Fatal(err)
		}
		err = e.Validate(r.Typename, r.Value)
		e.Close()
		if err != nil {
			return
		}
		gotKey, _, data := through(t, o, r)
		if len(gotKey)+len(data) > 1024 || gotKey == "" {
			t.Fatalf("key %q, %d bytes", gotKey, len(data))
		}
		if o.Envelope == kinesis.EnvelopeStateway {
			got, err := envelope.DecodeStateway([]byte(data))
			if err != nil || string(got.Payload) != string(value) {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		if o.Envelope == kinesis.EnvelopeCloudEvents {
			got, err := envelope.DecodeCloudEvent([]byte(data))
			if err != nil || r.Typename == egress.TypeKinesisRecord && string(got.Payload) != string(value) {
				t.Fatalf("%+v, %v", got, err)
			}
		}
	})
}

func uvarint(n int) (b []byte) {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}
