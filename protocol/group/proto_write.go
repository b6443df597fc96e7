package group

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// Tags of CloudEventBatch, CloudEvent, an entry of its attributes and CloudEventAttributeValue: all of one byte.
const (
	tagEvent       = 1<<3 | 2
	tagID          = 1<<3 | 2
	tagSource      = 2<<3 | 2
	tagSpecversion = 3<<3 | 2
	tagType        = 4<<3 | 2
	tagAttribute   = 5<<3 | 2
	tagBinaryData  = 6<<3 | 2
	tagTextData    = 7<<3 | 2
	tagKey         = 1<<3 | 2
	tagValue       = 2<<3 | 2
	tagInteger     = 2 << 3
	tagString      = 3<<3 | 2
)

// protoAttribute is an attribute of an event: a text, or a whole number if its key is one of those.
type protoAttribute struct {
	key  string
	text string
	n    int64
	isN  bool
}

// protoEvent is an event that is written. It is filled, measured and written on the stack of one call.
type protoEvent struct {
	id, source, typ string
	attributes      [7]protoAttribute
	used            int
	dataTag         byte
	data            string // text or bytes, by dataTag
}

func (e *protoEvent) text(key, value string) {
	e.attributes[e.used] = protoAttribute{key: key, text: value}
	e.used++
}

func (e *protoEvent) number(key string, n int64) {
	e.attributes[e.used] = protoAttribute{key: key, n: capped(n), isN: true}
	e.used++
}

// ofCall takes a call. generation is its generation in decimal.
func (e *protoEvent) ofCall(c *Call, subject []byte, n int, generation string) {
	e.id, e.source, e.typ = c.ID, c.Source, typeCall
	e.text("subject", text(subject))
	e.text("functiontype", text(subject[:n]))
	e.number("attempt", int64(c.Attempt))
	e.text("generation", generation)
	if c.TimeoutMillis > 0 {
		e.number("timeoutms", c.TimeoutMillis)
	}
	if c.Traceparent != "" {
		e.text("traceparent", c.Traceparent)
	}
	e.text("datacontenttype", dataProtobuf)
	e.dataTag, e.data = tagBinaryData, text(c.Data)
}

func (e *protoEvent) ofAnswer(a *Answer) {
	e.id, e.source = a.ID, a.Source
	if a.Encodings != 0 {
		e.text("encodings", a.Encodings.String())
	}
	if a.Kind == Result {
		e.typ = typeResult
		e.text("datacontenttype", dataProtobuf)
		e.dataTag, e.data = tagBinaryData, text(a.Data)
		return
	}
	e.typ = typeError
	e.text("errorkind", a.Kind.String())
	if a.Kind == RetryAfter {
		e.number("retryafterms", a.RetryAfterMillis)
	}
	e.text("datacontenttype", dataText)
	e.dataTag, e.data = tagTextData, a.Message
}

// sizes returns the length of the CloudEvent, and with tag and length in front of it, if its data has so many bytes.
func (e *protoEvent) sizes(data int) (event, whole int) {
	event = sizeField(len(e.id)) + sizeField(len(e.source)) + sizeField(len("1.0")) + sizeField(len(e.typ)) + sizeField(data)
	for i := range e.attributes[:e.used] {
		event += sizeField(e.attributes[i].size())
	}
	return event, sizeField(event)
}

// append appends the event as an element of a CloudEventBatch; size is the length of the CloudEvent.
func (e *protoEvent) append(b []byte, size int) []byte {
	b = appendHeader(b, tagEvent, size)
	b = appendField(b, tagID, e.id)
	b = appendField(b, tagSource, e.source)
	b = appendField(b, tagSpecversion, "1.0")
	b = appendField(b, tagType, e.typ)
	for i := range e.attributes[:e.used] {
		b = e.attributes[i].append(b)
	}
	return appendField(b, e.dataTag, e.data)
}

func (a *protoAttribute) valueSize() int {
	if a.isN {
		return 1 + protowire.SizeVarint(uint64(a.n)) //nolint:gosec // not negative
	}
	return sizeField(len(a.text))
}

func (a *protoAttribute) size() int { return sizeField(len(a.key)) + sizeField(a.valueSize()) }

func (a *protoAttribute) append(b []byte) []byte {
	b = appendHeader(b, tagAttribute, a.size())
	b = appendField(b, tagKey, a.key)
	b = appendHeader(b, tagValue, a.valueSize())
	if a.isN {
		return protowire.AppendVarint(append(b, tagInteger), uint64(a.n)) //nolint:gosec // not negative
	}
	return appendField(b, tagString, a.text)
}

// sizeField is the length of a field of n bytes with a tag of one byte.
func sizeField(n int) int { return 1 + protowire.SizeBytes(n) }

func appendHeader(b []byte, tag byte, n int) []byte {
	if n < 0x80 {
		return append(b, tag, byte(n)) //nolint:gosec // below 128
	}
	return protowire.AppendVarint(append(b, tag), uint64(n)) //nolint:gosec // lengths are not negative
}

func appendField(b []byte, tag byte, s string) []byte {
	return append(appendHeader(b, tag, len(s)), s...)
}
