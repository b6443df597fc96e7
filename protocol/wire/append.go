package wire

import "math/bits"

// sizeVarint is the number of bytes of v as a varint.
func sizeVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func sizeLen(n int) int { return sizeVarint(uint64(n)) + n } //nolint:gosec // lengths are not negative

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendLen(b []byte, n int) []byte {
	if n < 0x80 {
		return append(b, byte(n)) //nolint:gosec // below 128
	}
	return appendVarint(b, uint64(n)) //nolint:gosec // lengths are not negative
}

// sizeText is the size of a text field with a one-byte tag; an empty text is left out.
func sizeText(s string) int {
	if s == "" {
		return 0
	}
	return 1 + sizeLen(len(s))
}

func appendText(b []byte, tag byte, s string) []byte {
	if s == "" {
		return b
	}
	b = append(b, tag)
	b = appendLen(b, len(s))
	return append(b, s...)
}

// sizeMessage is the size of an embedded message of n bytes with a one-byte tag.
func sizeMessage(n int) int { return 1 + sizeLen(n) }

func appendBytes(b []byte, tag byte, v []byte) []byte {
	b = append(b, tag)
	b = appendLen(b, len(v))
	return append(b, v...)
}
