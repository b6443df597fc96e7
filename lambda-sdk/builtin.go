package stateway

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	bytesTypename = "io.stateway.types/bytes"
	jsonTypename  = "io.stateway.types/json"
)

// The built-in types. All but Bytes are those of StateFun and read and write the same bytes in every SDK.
var (
	// Bool is io.statefun.types/bool.
	Bool = newType("io.statefun.types/bool", appendBool, decodeBool)
	// Int32 is io.statefun.types/int.
	Int32 = newType("io.statefun.types/int", appendInt32, decodeInt32)
	// Int64 is io.statefun.types/long.
	Int64 = newType("io.statefun.types/long", appendInt64, decodeInt64)
	// Float32 is io.statefun.types/float.
	Float32 = newType("io.statefun.types/float", appendFloat32, decodeFloat32)
	// Float64 is io.statefun.types/double.
	Float64 = newType("io.statefun.types/double", appendFloat64, decodeFloat64)
	// String is io.statefun.types/string. Its values are UTF-8; others are refused.
	String = newType("io.statefun.types/string", appendString, decodeString)
	// Bytes is io.stateway.types/bytes: the bytes themselves. Other SDKs read it as a custom type.
	Bytes = newType(bytesTypename, appendRaw, decodeRaw)
)

// A built-in value is a protobuf message whose field 1 holds it and is left out for the default value.

func appendBool(dst []byte, v bool) ([]byte, error) {
	if !v {
		return dst, nil
	}
	return append(dst, 0x08, 1), nil
}

func decodeBool(src []byte) (bool, error) {
	v := false
	f := fields{rest: src}
	for f.next() {
		if f.is(1, protowire.VarintType) {
			v = f.uint != 0
		}
	}
	return v, f.err
}

func appendInt32(dst []byte, v int32) ([]byte, error) {
	return appendFixed32(dst, uint32(v)), nil //nolint:gosec // the same 32 bits
}

func decodeInt32(src []byte) (int32, error) {
	v, err := decodeFixed32(src)
	return int32(v), err //nolint:gosec // the same 32 bits
}

func appendInt64(dst []byte, v int64) ([]byte, error) {
	return appendFixed64(dst, uint64(v)), nil //nolint:gosec // the same 64 bits
}

func decodeInt64(src []byte) (int64, error) {
	v, err := decodeFixed64(src)
	return int64(v), err //nolint:gosec // the same 64 bits
}

func appendFloat32(dst []byte, v float32) ([]byte, error) {
	return appendFixed32(dst, math.Float32bits(v)), nil
}

func decodeFloat32(src []byte) (float32, error) {
	v, err := decodeFixed32(src)
	return math.Float32frombits(v), err
}

func appendFloat64(dst []byte, v float64) ([]byte, error) {
	return appendFixed64(dst, math.Float64bits(v)), nil
}

func decodeFloat64(src []byte) (float64, error) {
	v, err := decodeFixed64(src)
	return math.Float64frombits(v), err
}

func appendString(dst []byte, v string) ([]byte, error) {
	if !utf8.ValidString(v) {
		return dst, errNotUTF8
	}
	return appendStringField(dst, 1, v), nil
}

func decodeString(src []byte) (string, error) {
	var v []byte
	f := fields{rest: src}
	for f.next() {
		if !f.is(1, protowire.BytesType) {
			continue
		}
		if v = f.data; !utf8.Valid(v) {
			return "", errNotUTF8
		}
	}
	return string(v), f.err
}

func appendRaw(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }

func decodeRaw(src []byte) ([]byte, error) { return bytes.Clone(src), nil }

func appendFixed32(dst []byte, v uint32) []byte {
	if v == 0 {
		return dst
	}
	return binary.LittleEndian.AppendUint32(append(dst, 0x0d), v)
}

func appendFixed64(dst []byte, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return binary.LittleEndian.AppendUint64(append(slices.Grow(dst, 9), 0x09), v)
}

func decodeFixed32(src []byte) (uint32, error) {
	var v uint32
	f := fields{rest: src}
	for f.next() {
		if f.is(1, protowire.Fixed32Type) {
			v = binary.LittleEndian.Uint32(f.data)
		}
	}
	return v, f.err
}

func decodeFixed64(src []byte) (uint64, error) {
	var v uint64
	f := fields{rest: src}
	for f.next() {
		if f.is(1, protowire.Fixed64Type) {
			v = binary.LittleEndian.Uint64(f.data)
		}
	}
	return v, f.err
}
