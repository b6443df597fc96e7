package stateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	kafkaRecordTypename      = "type.googleapis.com/io.statefun.sdk.egress.KafkaProducerRecord"
	kinesisRecordTypename    = "type.googleapis.com/io.statefun.sdk.egress.KinesisEgressRecord"
	playgroundRecordTypename = "io.statefun.playground/EgressRecord"
)

// KafkaRecord returns a record for a Kafka egress. The record's value is the encoded bytes of value: JSON for a JSON
// type, the bare text for Text. An empty key means a record without key.
func KafkaRecord(topic, key string, value Payload) Payload {
	if topic == "" {
		return Payload{err: errors.New("a Kafka record needs a topic")}
	}
	return record(kafkaRecordTypename, "Kafka", value, key, topic, "")
}

// KinesisRecord returns a record for a Kinesis egress. The record's data is the encoded bytes of value.
func KinesisRecord(stream, partitionKey string, value Payload) Payload {
	return KinesisRecordWithHashKey(stream, partitionKey, "", value)
}

// KinesisRecordWithHashKey is KinesisRecord with an explicit hash key, a decimal number of up to 128 bits, which
// chooses the Kinesis shard in place of the partition key.
func KinesisRecordWithHashKey(stream, partitionKey, explicitHashKey string, value Payload) Payload {
	if stream == "" || partitionKey == "" {
		return Payload{err: errors.New("a Kinesis record needs a stream and a partition key")}
	}
	return record(kinesisRecordTypename, "Kinesis", value, partitionKey, stream, explicitHashKey)
}

// record writes the fields that both kinds have at the same numbers: key 1, value 2, topic or stream 3, and
// explicit hash key 4.
func record(typename, kind string, value Payload, key, destination, hashKey string) Payload {
	if value.err != nil {
		return Payload{err: fmt.Errorf("%s record: %w", kind, value.err)}
	}
	if value.typename == "" {
		return Payload{err: fmt.Errorf("%s record: an empty payload as value; make one with the Of method of a type", kind)}
	}
	if !utf8.ValidString(key) || !utf8.ValidString(destination) || !utf8.ValidString(hashKey) {
		return Payload{err: fmt.Errorf("%s record: key and destination: %w", kind, errNotUTF8)}
	}
	b := make([]byte, 0, len(key)+len(value.value)+len(destination)+len(hashKey)+24)
	b = appendStringField(b, 1, key)
	b = appendBytesField(b, 2, value.value)
	b = appendStringField(b, 3, destination)
	b = appendStringField(b, 4, hashKey)
	return Payload{typename: typename, value: b}
}

// PlaygroundRecord returns a record for a topic of the playground egress, whose id is PlaygroundEgress.
func PlaygroundRecord(topic, payload string) Payload {
	if topic == "" {
		return Payload{err: errors.New("a playground record needs a topic")}
	}
	b, err := json.Marshal(struct {
		Topic   string `json:"topic"`
		Payload string `json:"payload"`
	}{topic, payload})
	return Payload{typename: playgroundRecordTypename, value: b, err: err}
}
