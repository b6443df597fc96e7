package group

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// protoScanner walks over the fields of one protobuf message. The first error sticks.
type protoScanner struct {
	rest []byte
	num  protowire.Number
	typ  protowire.Type
	data []byte // of a field of bytes
	n    uint64 // of a varint
	err  string
}

func (s *protoScanner) fail(what string) {
	if s.err == "" {
		s.err = what
	}
	s.rest = nil
}

// next reads one field. It reports false at the end and after an error.
func (s *protoScanner) next() bool {
	if len(s.rest) == 0 {
		return false
	}
	// Nearly every field is of bytes, with a tag and a length of one byte each.
	if tag := s.rest[0]; tag&0x87 == byte(protowire.BytesType) && tag >= 8 && len(s.rest) > 1 && s.rest[1] < 0x80 {
		if end := 2 + int(s.rest[1]); end <= len(s.rest) {
			s.num, s.typ = protowire.Number(tag>>3), protowire.BytesType
			s.data, s.rest = s.rest[2:end:end], s.rest[end:]
			return true
		}
	}
	return s.nextOfAnyForm()
}

func (s *protoScanner) nextOfAnyForm() bool {
	num, typ, n := protowire.ConsumeTag(s.rest)
	if n < 0 || num > protowire.MaxValidNumber {
		s.fail("bad tag of a field")
		return false
	}
	s.num, s.typ, s.rest = num, typ, s.rest[n:]
	switch typ {
	case protowire.VarintType:
		s.n, n = protowire.ConsumeVarint(s.rest)
	case protowire.BytesType:
		s.data, n = protowire.ConsumeBytes(s.rest)
	default:
		n = protowire.ConsumeFieldValue(num, typ, s.rest)
	}
	if n < 0 {
		s.fail("bad value of a field")
		return false
	}
	s.rest = s.rest[n:]
	return true
}

// is reports whether the field has this number and wire type. With another wire type it is an unknown field.
func (s *protoScanner) is(num protowire.Number, typ protowire.Type) bool {
	return s.num == num && s.typ == typ
}

// text is the field as a string that aliases the input.
func (s *protoScanner) text() string {
	if !utf8.Valid(s.data) {
		s.fail("text is not UTF-8")
		return ""
	}
	return text(s.data)
}

// protoReader reads the events of a CloudEventBatch one by one.
type protoReader struct{ s protoScanner }

func newProtoReader(b []byte) *protoReader {
	return &protoReader{s: protoScanner{rest: b}}
}

// next reads an event into ev. It reports false at the end and after an error.
func (r *protoReader) next(ev *event) bool {
	for r.s.next() {
		if !r.s.is(1, protowire.BytesType) {
			continue
		}
		if why := readEvent(ev, r.s.data); why != "" {
			r.s.fail(why)
			return false
		}
		return true
	}
	return false
}

func (r *protoReader) failed() string { return r.s.err }

// readEvent reads a CloudEvent. It returns what is wrong with its bytes.
func readEvent(ev *event, b []byte) string {
	s := protoScanner{rest: b}
	for s.next() {
		if s.typ != protowire.BytesType {
			continue
		}
		switch s.num {
		case 1:
			ev.id = s.text()
		case 2:
			ev.source = s.text()
		case 3:
			ev.specversion = s.text()
		case 4:
			ev.typ = s.text()
		case 5:
			if why := readAttribute(ev, s.data); why != "" {
				return why
			}
		case 6:
			ev.setData(s.data, "")
		case 7:
			ev.setData(nil, s.text())
		case 8:
			if why := checkMessage(s.data, 1); why != "" {
				return why
			}
			ev.setData(nil, "")
			ev.spoil("data is a message of its own; use binary_data")
		}
	}
	return s.err
}

// setData takes one alternative of the data. The last one counts.
func (ev *event) setData(data []byte, s string) {
	ev.data, ev.hasData = data, data != nil
	ev.text, ev.hasText = s, data == nil
}

// value is a CloudEventAttributeValue as far as the protocol needs it.
type value struct {
	kind protowire.Number // of the alternative; zero if none is set
	text string
	n    int32
}

// readAttribute reads an entry of the map of attributes.
func readAttribute(ev *event, b []byte) string {
	var key string
	var v value
	s := protoScanner{rest: b}
	for s.next() {
		switch {
		case s.is(1, protowire.BytesType):
			key = s.text()
		case s.is(2, protowire.BytesType):
			if why := v.read(s.data); why != "" {
				return why
			}
		}
	}
	if s.err != "" {
		return s.err
	}
	a := number(key)
	if a == attrUnknown {
		return ""
	}
	if a <= attrType {
		ev.spoil("id, source, specversion and type are fields of their own")
		return ""
	}
	switch v.kind {
	case 2:
		ev.setNumber(a, int64(v.n))
	case 3, 5, 6:
		ev.setText(a, v.text)
	default:
		ev.spoil("an attribute is neither text nor number")
	}
	return ""
}

func (v *value) read(b []byte) string {
	s := protoScanner{rest: b}
	for s.next() {
		switch {
		case s.is(1, protowire.VarintType), s.is(4, protowire.BytesType):
			v.kind = s.num
		case s.is(2, protowire.VarintType):
			v.kind, v.n = 2, int32(s.n) //nolint:gosec // protobuf takes the low 32 bits
		case s.is(3, protowire.BytesType), s.is(5, protowire.BytesType), s.is(6, protowire.BytesType):
			v.kind, v.text = s.num, s.text()
		case s.is(7, protowire.BytesType):
			v.kind = 7
			if why := checkMessage(s.data, 0); why != "" {
				return why
			}
		}
	}
	return s.err
}

// checkMessage checks the form of a message that nobody reads further. The field number text is a text, zero for none.
func checkMessage(b []byte, text protowire.Number) string {
	s := protoScanner{rest: b}
	for s.next() {
		if text != 0 && s.is(text, protowire.BytesType) {
			s.text()
		}
	}
	return s.err
}
