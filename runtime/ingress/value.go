package ingress

import (
	"encoding/binary"
	"math/bits"

	"github.com/stateway/stateway/runtime/core"
)

// Typenames of the built-in types that ingresses make themselves.
const (
	TypeString = "io.statefun.types/string"
	TypeLong   = "io.statefun.types/long"
)

const (
	tagTypename = 1<<3 | 2 // field 1, length-delimited
	tagHasValue = 2 << 3   // field 2, varint
	tagValue    = 3<<3 | 2 // field 3, length-delimited
	tagText     = 1<<3 | 2 // field 1 of the string wrapper
	tagLong     = 1<<3 | 1 // field 1 of the long wrapper, 64 bits
)

// EncodeValue encodes a TypedValue that has a value. It copies payload.
func EncodeValue(typename string, payload []byte) core.Value {
	n := 2 + 1 + uvarintLen(len(typename)) + len(typename) + 1 + uvarintLen(len(payload)) + len(payload)
	return AppendValue(make([]byte, 0, n), typename, payload)
}

// AppendValue appends the encoding of a TypedValue that has a value.
func AppendValue(b []byte, typename string, payload []byte) []byte {
	b = append(b, tagTypename)
	b = binary.AppendUvarint(b, uint64(len(typename)))
	b = append(b, typename...)
	b = append(b, tagHasValue, 1)
	if len(payload) == 0 {
		return b // the default value, as every protobuf encoder leaves it out
	}
	b = append(b, tagValue)
	b = binary.AppendUvarint(b, uint64(len(payload)))
	return append(b, payload...)
}

// AppendText appends text as the built-in string type holds it; empty text is no bytes.
func AppendText(b []byte, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, tagText)
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// AppendLong appends v as the built-in long type holds it; zero is no bytes.
func AppendLong(b []byte, v int64) []byte {
	if v == 0 {
		return b
	}
	b = append(b, tagLong)
	return binary.LittleEndian.AppendUint64(b, uint64(v)) //nolint:gosec // two's complement
}

func uvarintLen(n int) int {
	return (bits.Len64(uint64(n)|1) + 6) / 7 //nolint:gosec // a length is not negative
}
