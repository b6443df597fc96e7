package stateway

import "bytes"

// Message is what a function receives: bytes and the name of their type. Read it with the Read method of a Type.
//
// A Message is valid until the handler returns; what Type.Read returns may be kept.
type Message struct {
	typename []byte
	value    []byte
	present  bool
}

// TypeName returns the name of the message's type.
func (m Message) TypeName() string { return string(m.typename) }

// Bytes returns the encoded value without reading it. It is valid until the handler returns and must not be changed.
func (m Message) Bytes() []byte { return m.value }

// Payload returns a copy of the message to send on, to another function or to an egress, whatever its type is.
func (m Message) Payload() Payload {
	return Payload{typename: string(m.typename), value: bytes.Clone(m.value)}
}
