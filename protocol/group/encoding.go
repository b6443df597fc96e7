package group

import (
	"bytes"
	"strings"
)

// Encoding is one of the forms that a group has on the wire.
type Encoding uint8

// The encodings. Every server that knows the protocol knows JSON.
const (
	// JSON is the CloudEvents JSON batch, data in base64.
	JSON Encoding = iota + 1
	// Protobuf is CloudEventBatch of the published cloudevents.proto: over HTTP.
	Protobuf
	// Packed is a JSON object with one text, the base64 of the zstd-compressed CloudEventBatch: for Lambda, whose
	// payloads are JSON.
	Packed
)

// Content types of groups, and of the data within.
const (
	ContentTypeJSON     = "application/cloudevents-batch+json"
	ContentTypeProtobuf = "application/cloudevents-batch+protobuf"

	dataProtobuf = "application/protobuf"
	dataText     = "text/plain"
)

// MaxItems is how many events a group may have. Reading one takes about 200 bytes of memory, and as little as three
// bytes of the group.
const MaxItems = 1 << 16

// MaxLambdaPayload is the largest payload and the largest answer of a Lambda invocation that is waited for, in bytes.
const MaxLambdaPayload = 6 << 20

// MaxUnpacked is the largest CloudEventBatch that a Packed group may unpack to, in bytes.
const MaxUnpacked = 64 << 20

// String is the encoding's name in announcements.
func (e Encoding) String() string {
	switch e {
	case JSON:
		return "json"
	case Protobuf:
		return "protobuf"
	case Packed:
		return "packed"
	}
	return "unknown"
}

// ContentType is what a request or an answer of this encoding carries over HTTP.
func (e Encoding) ContentType() string {
	switch e {
	case JSON:
		return ContentTypeJSON
	case Protobuf:
		return ContentTypeProtobuf
	}
	return "application/json"
}

// OfContentType tells which encoding an HTTP message has, by its Content-Type header; parameters and case do not
// matter. It is false for anything that is not a group.
func OfContentType(header string) (Encoding, bool) {
	mediaType, _, _ := strings.Cut(header, ";")
	mediaType = strings.TrimSpace(mediaType)
	switch {
	case strings.EqualFold(mediaType, ContentTypeJSON):
		return JSON, true
	case strings.EqualFold(mediaType, ContentTypeProtobuf):
		return Protobuf, true
	}
	return 0, false
}

// OfPayload tells which encoding a Lambda payload or its answer has: an array is JSON, an object Packed. It is false
// for anything else; whether the rest is a group, parsing tells.
func OfPayload(payload []byte) (Encoding, bool) {
	payload = bytes.TrimLeft(payload, " \t\r\n")
	switch {
	case len(payload) == 0:
		return 0, false
	case payload[0] == '[':
		return JSON, true
	case payload[0] == '{':
		return Packed, true
	}
	return 0, false
}
