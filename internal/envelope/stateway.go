package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// statewayMagic begins with a byte that no UTF-8 text has; the last one is the version.
const statewayMagic = "\xf5sw\x01"

// MaxText is the longest id or typename in Stateway's form, in bytes.
const MaxText = 1 << 16

// ErrDamaged is wrapped by every error of the decoders.
var ErrDamaged = errors.New("not an envelope")

// Stateway is what Stateway's own form holds.
type Stateway struct {
	// ID is the same for every try of the same record, and for no other record of any application.
	ID string
	// Typename of the payload; empty if it is plain bytes.
	Typename string
	// Payload is, with a typename, the value of that type as functions see it.
	Payload []byte
}

// StatewayOverhead is how many bytes the envelope of a record with these lengths of id and typename adds to its payload.
func StatewayOverhead(id, typename int) int {
	return len(statewayMagic) + textLen(id) + textLen(typename)
}

// AppendStateway appends e to dst. An id that is empty, or a text longer than MaxText or not UTF-8, would not decode; ids and typenames
// of the runtime are neither.
func AppendStateway(dst []byte, e Stateway) []byte {
	dst = append(dst, statewayMagic...)
	dst = binary.AppendUvarint(dst, uint64(len(e.ID)))
	dst = append(dst, e.ID...)
	dst = binary.AppendUvarint(dst, uint64(len(e.Typename)))
	dst = append(dst, e.Typename...)
	return append(dst, e.Payload...)
}

// IsStateway reports whether data begins like Stateway's form, of this version.
func IsStateway(data []byte) bool {
	return len(data) >= len(statewayMagic) && string(data[:len(statewayMagic)]) == statewayMagic
}

// DecodeStateway reads Stateway's form. The payload is a part of data. The error wraps ErrDamaged.
func DecodeStateway(data []byte) (Stateway, error) {
	if !IsStateway(data) {
		return Stateway{}, fmt.Errorf("%w of Stateway: it does not begin with f5 73 77 01", ErrDamaged)
	}
	id, rest, ok := cutText(data[len(statewayMagic):])
	if !ok || id == "" {
		return Stateway{}, fmt.Errorf("%w of Stateway: its id is missing, too long or no UTF-8", ErrDamaged)
	}
	typename, rest, ok := cutText(rest)
	if !ok {
		return Stateway{}, fmt.Errorf("%w of Stateway: its typename is missing, too long or no UTF-8", ErrDamaged)
	}
	return Stateway{ID: id, Typename: typename, Payload: rest}, nil
}

// cutText takes a length and so many bytes off b.
func cutText(b []byte) (text string, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || n != varintLen(size) || size > MaxText || size > uint64(len(b)-n) { //nolint:gosec // n is at most len(b)
		return "", nil, false
	}
	end := n + int(size) //nolint:gosec // at most len(b)
	return string(b[n:end]), b[end:], utf8.Valid(b[n:end])
}

func textLen(n int) int { return varintLen(uint64(n)) + n } //nolint:gosec // a length

func varintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
