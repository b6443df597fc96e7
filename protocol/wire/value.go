package wire

import (
	"unicode/utf8"
	"unsafe"
)

// TypedValue is a value with the name of its type. HasValue tells an empty value from none.
type TypedValue struct {
	Typename string
	HasValue bool
	Value    []byte
}

// Size is the length of the encoding, in bytes.
func (v TypedValue) Size() int {
	n := sizeText(v.Typename)
	if v.HasValue {
		n += 2
	}
	if len(v.Value) > 0 {
		n += 1 + sizeLen(len(v.Value))
	}
	return n
}

// Append appends the encoding, fields in the order of their numbers, defaults left out.
func (v TypedValue) Append(b []byte) []byte {
	b = appendText(b, 1<<3|wireBytes, v.Typename)
	if v.HasValue {
		b = append(b, 2<<3|wireVarint, 1)
	}
	if len(v.Value) > 0 {
		b = appendBytes(b, 3<<3|wireBytes, v.Value)
	}
	return b
}

// AppendTypedValue appends the encoding of a present value of a type.
func AppendTypedValue(b []byte, typename string, value []byte) []byte {
	return TypedValue{Typename: typename, HasValue: true, Value: value}.Append(b)
}

// ParseTypedValue reads an encoded TypedValue; the result aliases b. Its error wraps ErrMalformed.
func ParseTypedValue(b []byte) (TypedValue, error) {
	if v, ok := parseShort(b); ok {
		return v, nil
	}
	var v TypedValue
	err := v.merge(b)
	return v, err
}

// parseShort reads a present value in the form in which all encoders write it, with lengths of one byte: nearly all are. It says no to everything else,
// be it valid or not.
func parseShort(b []byte) (v TypedValue, ok bool) {
	if len(b) < 4 || b[0] != 1<<3|wireBytes || b[1] >= 0x80 || len(b) < int(b[1])+4 {
		return v, false
	}
	name, rest := b[2:2+b[1]], b[2+b[1]:]
	if rest[0] != 2<<3|wireVarint || rest[1] != 1 || !utf8.Valid(name) {
		return v, false
	}
	v.Typename, v.HasValue = unsafe.String(unsafe.SliceData(name), len(name)), true //nolint:gosec // the input does not change, says the package
	if rest = rest[2:]; len(rest) == 0 {
		return v, true
	}
	if len(rest) < 2 || rest[0] != 3<<3|wireBytes || rest[1] >= 0x80 || int(rest[1]) != len(rest)-2 {
		return v, false
	}
	v.Value = rest[2:len(rest):len(rest)]
	return v, true
}

// merge reads one occurrence of an embedded TypedValue into v.
func (v *TypedValue) merge(b []byte) error {
	s := scanner{rest: b, where: "TypedValue"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		switch t {
		case tag(1, wireBytes):
			v.Typename = s.text()
		case tag(2, wireVarint):
			v.HasValue = s.varint() != 0
		case tag(3, wireBytes):
			v.Value = s.bytes()
		default:
			s.skip(t)
		}
	}
}

// Raw is an encoded TypedValue. Two encodings one after the other are the encoding of both merged.
type Raw = []byte

// mergeRaw adds a further occurrence of an embedded TypedValue to the first. What the scanner returns has no spare
// room, so that the input is copied and not written to; later occurrences use the room of the copy.
func mergeRaw(old, more Raw) Raw {
	if len(old) == 0 {
		return more
	}
	return append(old, more...)
}
