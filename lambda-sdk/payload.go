package stateway

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Payload is an encoded value with the name of its type: what is sent to a function or to an egress. A Type makes it
// (Type.Of), as do KafkaRecord and its siblings, and Message.Payload for a message to be passed on.
//
// A value that could not be encoded makes a Payload that carries the error; sending it fails the invocation.
type Payload struct {
	typename string
	value    []byte
	err      error
}

// RawPayload returns a Payload of bytes that are already in the encoding which typename stands for. It keeps value,
// which must not change until the payload was sent.
func RawPayload(typename string, value []byte) Payload {
	if err := checkName(typename); err != nil {
		return Payload{err: fmt.Errorf("typename %w", err)}
	}
	return Payload{typename: typename, value: value}
}

// Text returns a Payload of the bare UTF-8 bytes of s, for the value of an egress record. Functions read a text sent
// with String.Of instead, which is the text in the encoding of the built-in string type.
func Text(s string) Payload {
	return Payload{typename: bytesTypename, value: []byte(s)}
}

// TypeName returns the name of the value's type.
func (p Payload) TypeName() string { return p.typename }

// Bytes returns the encoded value. It is the payload's own memory and must not be changed.
func (p Payload) Bytes() []byte { return p.value }

// Err returns why the value could not be encoded, or nil.
func (p Payload) Err() error { return p.err }

// Equal reports whether both have the same type name and bytes and carry no error.
func (p Payload) Equal(q Payload) bool {
	return p.err == nil && q.err == nil && p.typename == q.typename && bytes.Equal(p.value, q.value)
}

// String shows type name and bytes, for logs and test output.
func (p Payload) String() string {
	if p.err != nil {
		return "payload with error: " + p.err.Error()
	}
	return fmt.Sprintf("%s(%q)", p.typename, p.value)
}

// Message returns the payload as a function would receive it. It shares the payload's memory.
func (p Payload) Message() Message {
	return Message{typename: []byte(p.typename), value: p.value, present: true}
}

// AppendTypedValue appends the payload as the protocol's TypedValue message.
func (p Payload) AppendTypedValue(dst []byte) ([]byte, error) {
	if p.err != nil {
		return dst, p.err
	}
	if p.typename == "" {
		return dst, errors.New("an empty payload; make one with the Of method of a type")
	}
	return appendTypedValue(dst, p.typename, p.value), nil
}

// ParseTypedValue reads a TypedValue message as a Message, which shares raw's memory.
func ParseTypedValue(raw []byte) (Message, error) {
	if m, ok := parseShort(raw); ok {
		return m, nil
	}
	return parseTypedValue(raw)
}

func parseTypedValue(raw []byte) (Message, error) {
	var m Message
	f := fields{rest: raw}
	for f.next() {
		switch {
		case f.is(1, protowire.BytesType):
			m.typename = f.data
		case f.is(2, protowire.VarintType):
			m.present = f.uint != 0
		case f.is(3, protowire.BytesType):
			m.value = f.data
		}
	}
	if f.err != nil {
		return Message{}, fmt.Errorf("read typed value: %w", f.err)
	}
	if !utf8.Valid(m.typename) {
		return Message{}, fmt.Errorf("read typed value: typename: %w", errNotUTF8)
	}
	return m, nil
}

// parseShort reads a present value in the form in which all SDKs write it, with lengths of one byte: nearly all are. It says no to everything
// else, be it valid or not.
func parseShort(raw []byte) (m Message, ok bool) {
	const typename, present, value = 1<<3 | byte(protowire.BytesType), 2<<3 | byte(protowire.VarintType), 3<<3 | byte(protowire.BytesType)
	if len(raw) < 4 || raw[0] != typename || raw[1] >= 0x80 || len(raw) < int(raw[1])+4 {
		return m, false
	}
	name, rest := raw[2:2+raw[1]], raw[2+raw[1]:]
	if rest[0] != present || rest[1] != 1 || !utf8.Valid(name) {
		return m, false
	}
	m = Message{typename: name, present: true}
	if rest = rest[2:]; len(rest) == 0 {
		return m, true
	}
	if len(rest) < 2 || rest[0] != value || rest[1] >= 0x80 || int(rest[1]) != len(rest)-2 {
		return m, false
	}
	m.value = rest[2:]
	return m, true
}

func appendTypedValue(dst []byte, typename string, value []byte) []byte {
	dst = appendStringField(dst, 1, typename)
	dst = appendVarintField(dst, 2, 1)
	return appendBytesField(dst, 3, value)
}
