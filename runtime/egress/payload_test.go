package egress_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	egresspb "github.com/stateway/stateway/protocol/egress"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

func kafka(t testing.TB, topic, key, value string) []byte {
	t.Helper()
	b, err := proto.Marshal(&egresspb.KafkaProducerRecord{Topic: topic, Key: key, ValueBytes: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func kinesis(t testing.TB, stream, key, hash, value string) []byte {
	t.Helper()
	b, err := proto.Marshal(&egresspb.KinesisEgressRecord{
		Stream: stream, PartitionKey: key, ExplicitHashKey: hash, ValueBytes: []byte(value),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNormalise(t *testing.T) {
	tests := []struct {
		name     string
		typename string
		value    []byte
		want     egress.Payload
		err      string
	}{
		{
			name: "Kafka record", typename: egress.TypeKafkaRecord, value: kafka(t, "t", "k", "v"),
			want: egress.Payload{Stream: "t", Key: "k", Value: []byte("v")},
		},
		{
			name: "Kafka record without key", typename: egress.TypeKafkaRecord, value: kafka(t, "t", "", "v"),
			want: egress.Payload{Stream: "t", Value: []byte("v")},
		},
		{name: "Kafka record without topic", typename: egress.TypeKafkaRecord, value: kafka(t, "", "k", "v"), err: "record for Kafka names no topic"},
		{
			name: "Kafka record with a field to come", typename: egress.TypeKafkaRecord,
			value: append(kafka(t, "t", "k", "v"), 0x48, 7),
			want:  egress.Payload{Stream: "t", Key: "k", Value: []byte("v")},
		},
		{name: "Kafka record cut short", typename: egress.TypeKafkaRecord, value: kafka(t, "t", "k", "v")[:4], err: "record for Kafka: unexpected EOF"},
		{name: "Kafka key that is no text", typename: egress.TypeKafkaRecord, value: []byte{0x0a, 1, 0xff}, err: "record for Kafka: field 1 is not UTF-8 text"},
		{
			name: "Kinesis record", typename: egress.TypeKinesisRecord, value: kinesis(t, "s", "k", "12", "v"),
			want: egress.Payload{Stream: "s", Key: "k", ExplicitHashKey: "12", Value: []byte("v")},
		},
		{name: "Kinesis record without key", typename: egress.TypeKinesisRecord, value: kinesis(t, "s", "", "", "v"), err: "record for Kinesis has no partition key"},
		{name: "Kinesis record without stream", typename: egress.TypeKinesisRecord, value: kinesis(t, "", "k", "", "v"), err: "record for Kinesis names no stream"},
		{
			name: "playground record", typename: egress.TypePlaygroundRecord, value: []byte(`{"topic":"greetings","payload":"Hi Bob"}`),
			want: egress.Payload{Stream: "greetings", Value: []byte("Hi Bob")},
		},
		{name: "playground record without payload", typename: egress.TypePlaygroundRecord, value: []byte(`{"topic":"greetings"}`), err: `record for a playground lacks "topic" or "payload"`},
		{name: "any typed value", typename: "a/b", value: []byte("x"), want: egress.Payload{Typename: "a/b", Value: []byte("x")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := egress.Normalise(tt.typename, tt.value)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Fatalf("-want +got:\n%s", d)
			}
		})
	}
}

func TestText(t *testing.T) {
	tests := []struct {
		typename string
		value    string
		want     string
		ok       bool
	}{
		{"io.statefun.types/string", "\x0a\x02hi", "hi", true},
		{"io.statefun.types/string", "", "", true},
		{"io.statefun.types/string", "hi", "", false},
		{"io.statefun.types/string", "\x0a\x01\xff", "", false},
		{"io.statefun.types/bool", "\x08\x01", "true", true},
		{"io.statefun.types/bool", "", "false", true},
		{"io.statefun.types/int", "\x0d\xff\xff\xff\xff", "-1", true},
		{"io.statefun.types/float", "\x0d\x00\x00\xc0\x3f", "1.5", true},
		{"io.statefun.types/long", "\x09\x2a\x00\x00\x00\x00\x00\x00\x00", "42", true},
		{"io.statefun.types/long", "\x09\x2a", "0", false},
		{"io.statefun.types/double", "\x09\x00\x00\x00\x00\x00\x00\xf8\x3f", "1.5", true},
		{"a/b", `{"x":1}`, `{"x":1}`, true},
		{"", "\xff", "\xff", false},
	}
	for _, tt := range tests {
		p := egress.Payload{Typename: tt.typename, Value: []byte(tt.value)}
		if got, ok := p.Text(); ok != tt.ok || (ok && got != tt.want) {
			t.Errorf("%s %q: got %q %v, want %q %v", tt.typename, tt.value, got, ok, tt.want, tt.ok)
		}
	}
}

func TestRecordIDs(t *testing.T) {
	r := egress.Record{Shard: 3, Key: core.OutboxKey{Epoch: 7, Seq: 11}, Generation: 2}
	app := core.ApplicationID{0xab}
	if got, want := r.StableID(app), "ab000000000000000000000000000000-3-7-11"; got != want {
		t.Errorf("stable id %s, want %s", got, want)
	}
	if got, want := r.EmissionID(app), "ab000000000000000000000000000000-3-7-11-g2"; got != want {
		t.Errorf("emission id %s, want %s", got, want)
	}
}

func FuzzNormalise(f *testing.F) {
	f.Add(byte(0), kafka(f, "t", "k", "v"))
	f.Add(byte(1), kinesis(f, "s", "k", "1", "v"))
	f.Add(byte(2), []byte(`{"topic":"a","payload":"b"}`))
	f.Add(byte(3), []byte("\x09\x2a\x00\x00\x00\x00\x00\x00\x00"))
	types := []string{
		egress.TypeKafkaRecord, egress.TypeKinesisRecord, egress.TypePlaygroundRecord,
		"io.statefun.types/string", "io.statefun.types/long", "io.statefun.types/bool", "a/b",
	}
	f.Fuzz(func(t *testing.T, kind byte, value []byte) {
		typename := types[int(kind)%len(types)]
		p, err := egress.Normalise(typename, value)
		if err == nil {
			p.Text()
		}
		if typename != egress.TypeKafkaRecord {
			return
		}
		var m egresspb.KafkaProducerRecord
		if perr := proto.Unmarshal(value, &m); perr == nil && m.Topic != "" {
			if err != nil || p.Stream != m.Topic || p.Key != m.Key || string(p.Value) != string(m.ValueBytes) {
				t.Fatalf("read %+v, %v; protobuf reads %v", p, err, &m)
			}
		}
	})
}

func BenchmarkNormaliseKafka(b *testing.B) {
	value := kafka(b, "greetings", "Ann", "Hello Ann")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := egress.Normalise(egress.TypeKafkaRecord, value); err != nil {
			b.Fatal(err)
		}
	}
}
