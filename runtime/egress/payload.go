package egress

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Typenames of the records that the published SDKs make for egresses.
const (
	TypeKafkaRecord      = "type.googleapis.com/io.statefun.sdk.egress.KafkaProducerRecord"
	TypeKinesisRecord    = "type.googleapis.com/io.statefun.sdk.egress.KinesisEgressRecord"
	TypePlaygroundRecord = "io.statefun.playground/EgressRecord"
)

// TypeLong is the typename of the SDKs' 64-bit integers, which Long reads.
const TypeLong = "io.statefun.types/long"

// Typenames of the SDKs' other built-in types.
const (
	typeBool   = "io.statefun.types/bool"
	typeInt    = "io.statefun.types/int"
	typeFloat  = "io.statefun.types/float"
	typeDouble = "io.statefun.types/double"
	typeString = "io.statefun.types/string"
)

// Payload is what a record of any form comes down to.
type Payload struct {
	// Stream is the topic or stream that the record names; empty if it is a plain typed value.
	Stream string
	// Key is the record's key or partition key; empty if it has none.
	Key string
	// ExplicitHashKey is what a Kinesis record may carry in addition.
	ExplicitHashKey string
	// Value is the payload. For a plain typed value these are its bytes as they are.
	Value []byte
	// Typename is the type of Value; empty if the record does not tell, since its value is plain bytes.
	Typename string
}

// Normalise reads what a function has sent: a Kafka, Kinesis or playground record of the SDKs, or any other
// typed value, which comes back with its typename and without stream and key. Texts are copied where that is needed,
// the value may alias the argument. The error says what is wrong with the record.
func Normalise(typename string, value []byte) (Payload, error) {
	switch typename {
	case TypeKafkaRecord:
		return readKafka(value)
	case TypeKinesisRecord:
		return readKinesis(value)
	case TypePlaygroundRecord:
		return readPlayground(value)
	}
	return Payload{Typename: typename, Value: value}, nil
}

func readKafka(value []byte) (Payload, error) {
	var p Payload
	err := readFields(value, &fields{1: {text: &p.Key}, 2: {bytes: &p.Value}, 3: {text: &p.Stream}})
	if err != nil {
		return Payload{}, fmt.Errorf("record for Kafka: %w", err)
	}
	if p.Stream == "" {
		return Payload{}, fmt.Errorf("record for Kafka names no topic")
	}
	return p, nil
}

func readKinesis(value []byte) (Payload, error) {
	var p Payload
	err := readFields(value, &fields{
		1: {text: &p.Key}, 2: {bytes: &p.Value}, 3: {text: &p.Stream}, 4: {text: &p.ExplicitHashKey},
	})
	switch {
	case err != nil:
		return Payload{}, fmt.Errorf("record for Kinesis: %w", err)
	case p.Stream == "":
		return Payload{}, fmt.Errorf("record for Kinesis names no stream")
	case p.Key == "":
		return Payload{}, fmt.Errorf("record for Kinesis has no partition key")
	}
	return p, nil
}

func readPlayground(value []byte) (Payload, error) {
	var r struct{ Topic, Payload *string }
	if err := json.Unmarshal(value, &r); err != nil {
		return Payload{}, fmt.Errorf(`record for a playground: want {"topic": text, "payload": text}: %w`, err)
	}
	if r.Topic == nil || *r.Topic == "" || r.Payload == nil {
		return Payload{}, fmt.Errorf(`record for a playground lacks "topic" or "payload"`)
	}
	return Payload{Stream: *r.Topic, Value: []byte(*r.Payload)}, nil
}

// fields are indexed by number.
type fields [5]field

// field is where a length-delimited protobuf field goes: one of the two is set.
type field struct {
	text  *string
	bytes *[]byte
}

func (f field) known() bool { return f.text != nil || f.bytes != nil }

// readFields reads an encoded message whose known fields are all length-delimited; others are skipped.
func readFields(b []byte, known *fields) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var f field
		if int(num) < len(known) {
			f = known[num]
		}
		if !f.known() || typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
			continue
		}
		v, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if f.text == nil {
			*f.bytes = v
			continue
		}
		if !utf8.Valid(v) {
			return fmt.Errorf("field %d is not UTF-8 text", num)
		}
		*f.text = string(v)
	}
	return nil
}

// Text is the payload as people read it: a built-in type as its text or number, anything else if it
// is UTF-8. ok is false for other bytes, among them built-in types that are not well formed.
func (p *Payload) Text() (text string, ok bool) {
	switch p.Typename {
	case typeString:
		return unwrapText(p.Value)
	case typeBool:
		v, ok := varint(p.Value)
		return strconv.FormatBool(v != 0), ok
	case typeInt:
		v, ok := fixed32(p.Value)
		return strconv.FormatInt(int64(int32(v)), 10), ok //nolint:gosec // two's complement
	case typeFloat:
		v, ok := fixed32(p.Value)
		return strconv.FormatFloat(float64(math.Float32frombits(v)), 'g', -1, 32), ok
	case TypeLong:
		v, ok := Long(p.Value)
		return strconv.FormatInt(v, 10), ok
	case typeDouble:
		v, ok := Long(p.Value)
		return strconv.FormatFloat(math.Float64frombits(uint64(v)), 'g', -1, 64), ok //nolint:gosec // bits
	}
	return string(p.Value), utf8.Valid(p.Value)
}

// Long reads the built-in long type (the double type has the same form).
func Long(value []byte) (v int64, ok bool) {
	if len(value) == 0 {
		return 0, true // the default value is left out
	}
	if len(value) != 9 || value[0] != 1<<3|1 {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(value[1:])), true //nolint:gosec // two's complement
}

func fixed32(value []byte) (v uint32, ok bool) {
	if len(value) == 0 {
		return 0, true
	}
	if len(value) != 5 || value[0] != 1<<3|5 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(value[1:]), true
}

func varint(value []byte) (v uint64, ok bool) {
	if len(value) == 0 {
		return 0, true
	}
	v, n := binary.Uvarint(value[1:])
	return v, value[0] == 1<<3 && n == len(value)-1
}

func unwrapText(value []byte) (text string, ok bool) {
	if len(value) == 0 {
		return "", true
	}
	v, n := protowire.ConsumeBytes(value[1:])
	if value[0] != 1<<3|2 || n != len(value)-1 || !utf8.Valid(v) {
		return "", false
	}
	return string(v), true
}
