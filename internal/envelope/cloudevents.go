package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"strings"
	"unicode/utf8"
)

// Content types that AppendCloudEvent chooses from.
const (
	ContentJSON  = "application/json"
	ContentText  = "text/plain"
	ContentBytes = "application/octet-stream"
)

// CloudEvent is an event of CloudEvents 1.0. Attributes that no field holds (time, dataschema, extensions but partitionkey and traceparent) are
// checked by nobody and dropped by DecodeCloudEvent.
type CloudEvent struct {
	// ID and Source together are unique to the event: required.
	ID, Source string
	// Type is required by the specification; DecodeCloudEvent lets an event pass that has none.
	Type string
	// Subject is empty if the event has none.
	Subject string
	// ContentType is the attribute datacontenttype; empty if the event has none, which means JSON. AppendCloudEvent
	// sets it from the payload and ignores this one.
	ContentType string
	// PartitionKey is the extension partitionkey; empty if the event has none.
	PartitionKey string
	// Traceparent is the extension traceparent, a W3C trace context that nobody has checked; empty if the event has none, or has it as
	// something else than one text.
	Traceparent string
	// Payload is the content of data or data_base64: JSON as it stands there if the content type is JSON (or the value is no
	// text), otherwise the text's own bytes. Nil if the event has neither, or a data that is null.
	Payload []byte
}

// AppendCloudEvent appends e to dst as structured JSON, on one line. The payload decides how it is carried: an object or array in JSON
// as it is, other UTF-8 text as a JSON string, anything else in base64. Texts that are not UTF-8 get U+FFFD for what is wrong.
func AppendCloudEvent(dst []byte, e CloudEvent) []byte {
	dst = append(dst, `{"specversion":"1.0"`...)
	dst = appendMember(dst, "id", e.ID)
	dst = appendMember(dst, "source", e.Source)
	dst = appendMember(dst, "type", e.Type)
	if e.Subject != "" {
		dst = appendMember(dst, "subject", e.Subject)
	}
	if e.PartitionKey != "" {
		dst = appendMember(dst, "partitionkey", e.PartitionKey)
	}
	if e.Traceparent != "" {
		dst = appendMember(dst, "traceparent", e.Traceparent)
	}
	kind := contentOf(e.Payload)
	dst = appendMember(dst, "datacontenttype", kind)
	switch kind {
	case ContentJSON:
		dst = append(append(dst, `,"data":`...), e.Payload...)
	case ContentText:
		dst = appendMember(dst, "data", string(e.Payload))
	default:
		dst = append(dst, `,"data_base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, e.Payload)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// contentOf depends on the payload alone, so that a second try has the same bytes as the first.
func contentOf(payload []byte) string {
	if len(payload) >= 2 && isPair(payload[0], payload[len(payload)-1]) && utf8.Valid(payload) && json.Valid(payload) {
		return ContentJSON
	}
	if utf8.Valid(payload) {
		return ContentText
	}
	return ContentBytes
}

func isPair(first, last byte) bool { return first == '{' && last == '}' || first == '[' && last == ']' }

// isJSON reports whether data of this content type is JSON: without one it is, as the specification says.
func isJSON(contentType string) bool {
	if contentType == "" || contentType == ContentJSON {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = strings.ToLower(contentType)
	}
	return strings.HasSuffix(kind, "/json") || strings.HasSuffix(kind, "+json")
}

func appendMember(dst []byte, name, text string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return appendText(dst, text)
}

// appendText appends text as a JSON string; bytes that are not UTF-8 become U+FFFD.
func appendText(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	if !utf8.ValidString(text) {
		text = string(bytes.ToValidUTF8([]byte(text), []byte("\uFFFD")))
	}
	dst = append(dst, '"')
	start := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
			continue
		}
		dst = append(dst, text[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, text[start:]...), '"')
}
