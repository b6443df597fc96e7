package statewaytest

import (
	"encoding/json"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// Effects is what one delivery led to, besides state, which Get shows.
type Effects struct {
	// Sent messages, in order.
	Sent []Sent
	// Delayed messages, in order.
	Delayed []Delayed
	// Cancelled tokens, in order.
	Cancelled []string
	// Egress records, in order.
	Egress []Record
}

// Sent is a message to another function.
type Sent struct {
	To      stateway.Address
	Message stateway.Payload
}

// Delayed is a message to be sent later. Token is empty for one that cannot be cancelled.
type Delayed struct {
	After   time.Duration
	To      stateway.Address
	Message stateway.Payload
	Token   string
}

// Record is a record for an egress. Kafka, Kinesis and Playground read the records of those kinds.
type Record struct {
	Egress stateway.EgressID
	Record stateway.Payload
}

// KafkaRecord is what stateway.KafkaRecord made.
type KafkaRecord struct {
	Topic, Key string
	Value      []byte
}

// KinesisRecord is what stateway.KinesisRecord made.
type KinesisRecord struct {
	Stream, PartitionKey, ExplicitHashKey string
	Data                                  []byte
}

// PlaygroundRecord is what stateway.PlaygroundRecord made.
type PlaygroundRecord struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
}

// Kafka reads a Kafka record. The test fails when r is none.
func Kafka(t testing.TB, r Record) KafkaRecord {
	t.Helper()
	f := fieldsOf(t, r, stateway.KafkaRecord("t", "", stateway.Text("")).TypeName())
	return KafkaRecord{Key: string(f[1]), Value: f[2], Topic: string(f[3])}
}

// Kinesis reads a Kinesis record. The test fails when r is none.
func Kinesis(t testing.TB, r Record) KinesisRecord {
	t.Helper()
	f := fieldsOf(t, r, stateway.KinesisRecord("s", "p", stateway.Text("")).TypeName())
	return KinesisRecord{PartitionKey: string(f[1]), Data: f[2], Stream: string(f[3]), ExplicitHashKey: string(f[4])}
}

// Playground reads a playground record. The test fails when r is none.
func Playground(t testing.TB, r Record) PlaygroundRecord {
	t.Helper()
	checkType(t, r, stateway.PlaygroundRecord("t", "").TypeName())
	var p PlaygroundRecord
	if err := json.Unmarshal(r.Record.Bytes(), &p); err != nil {
		t.Fatalf("statewaytest: read %s: %v", r.Record, err)
	}
	return p
}

// fieldsOf reads a protobuf message of length-delimited fields with numbers up to 4.
func fieldsOf(t testing.TB, r Record, typename string) [5][]byte {
	t.Helper()
	checkType(t, r, typename)
	var fields [5][]byte
	for rest := r.Record.Bytes(); len(rest) > 0; {
		num, typ, n := protowire.ConsumeTag(rest)
		if n < 0 || typ != protowire.BytesType || int(num) >= len(fields) {
			t.Fatalf("statewaytest: %s is malformed", r.Record)
		}
		value, m := protowire.ConsumeBytes(rest[n:])
		if m < 0 {
			t.Fatalf("statewaytest: %s is malformed", r.Record)
		}
		fields[num], rest = value, rest[n+m:]
	}
	return fields
}

func checkType(t testing.TB, r Record, want string) {
	t.Helper()
	if got := r.Record.TypeName(); got != want {
		t.Fatalf("statewaytest: the record for %s is a %s, not a %s", r.Egress, got, want)
	}
}
