package stateway

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

var (
	errNotUTF8     = errors.New("text that is not UTF-8")
	errFieldNumber = errors.New("a field number that protobuf does not allow")
)

// fields walks over the fields of one protobuf message. Groups and fixed-width fields keep their raw bytes in data.
type fields struct {
	rest []byte
	num  protowire.Number
	typ  protowire.Type
	data []byte // content of a length-delimited field, raw value of all others but varints
	uint uint64 // value of a varint
	err  error
}

// next moves to the next field. It returns false at the end and at the first malformed byte, which err then tells.
func (f *fields) next() bool {
	if len(f.rest) == 0 || f.err != nil {
		return false
	}
	// Nearly every field has a tag and a length of one byte each.
	if tag := f.rest[0]; tag&0x87 == byte(protowire.BytesType) && tag >= 8 && len(f.rest) > 1 && f.rest[1] < 0x80 {
		if end := 2 + int(f.rest[1]); end <= len(f.rest) {
			f.num, f.typ = protowire.Number(tag>>3), protowire.BytesType
			f.data, f.rest = f.rest[2:end], f.rest[end:]
			return true
		}
	}
	return f.nextOfAnyForm()
}

func (f *fields) nextOfAnyForm() bool {
	num, typ, n := protowire.ConsumeTag(f.rest)
	if n < 0 {
		return f.fail(n)
	}
	if num > protowire.MaxValidNumber {
		f.err = errFieldNumber
		return false
	}
	f.num, f.typ, f.rest = num, typ, f.rest[n:]
	switch typ {
	case protowire.VarintType:
		f.uint, n = protowire.ConsumeVarint(f.rest)
	case protowire.BytesType:
		f.data, n = protowire.ConsumeBytes(f.rest)
	default:
		n = protowire.ConsumeFieldValue(num, typ, f.rest)
		if n >= 0 {
			f.data = f.rest[:n]
		}
	}
	if n < 0 {
		return f.fail(n)
	}
	f.rest = f.rest[n:]
	return true
}

func (f *fields) fail(n int) bool {
	f.err = protowire.ParseError(n)
	return false
}

// is reports whether the field has this number and wire type. A known number with another wire type counts as unknown.
func (f *fields) is(num protowire.Number, typ protowire.Type) bool {
	return f.num == num && f.typ == typ
}

// The helpers below write fields with numbers up to 15, whose tag is one byte, and leave out empty values.

func sizeBytesField(n int) int {
	if n == 0 {
		return 0
	}
	return sizeMessageField(n)
}

// sizeMessageField counts an empty message too: its presence means something.
func sizeMessageField(n int) int {
	return 1 + protowire.SizeBytes(n)
}

func sizeVarintField(v uint64) int {
	if v == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(v)
}

func appendStringField(dst []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return append(appendHeader(dst, num, len(s)), s...)
}

func appendBytesField(dst []byte, num protowire.Number, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	return append(appendHeader(dst, num, len(b)), b...)
}

func appendVarintField(dst []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.VarintType), v)
}

// appendHeader writes tag and length of a length-delimited field.
func appendHeader(dst []byte, num protowire.Number, n int) []byte {
	if num <= 15 && n < 0x80 {
		return append(dst, byte(num)<<3|byte(protowire.BytesType), byte(n)) //nolint:gosec // both fit, as just checked
	}
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	return protowire.AppendVarint(dst, uint64(n)) //nolint:gosec // a length is never negative
}
