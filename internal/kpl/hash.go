package kpl

import (
	"cmp"
	"crypto/md5" //nolint:gosec // Kinesis places records by it
	"encoding/binary"
	"errors"
	"math/bits"
)

// Hash is the 128-bit number by which Kinesis finds the shard of a record: unsigned, big-endian.
type Hash struct {
	Hi, Lo uint64
}

// MaxHash is the largest Hash, the end of the last shard's range.
var MaxHash = Hash{Hi: 1<<64 - 1, Lo: 1<<64 - 1}

// ErrHash is the error about a text that is no hash key: decimal digits without leading zeros, at most 2^128-1.
var ErrHash = errors.New("not a hash key: want a decimal number from 0 to 340282366920938463463374607431768211455, without leading zeros")

// HashOf is the Hash of a partition key: the MD5 of its bytes.
func HashOf(partitionKey string) Hash {
	sum := md5.Sum([]byte(partitionKey)) //nolint:gosec // see above
	return Hash{Hi: binary.BigEndian.Uint64(sum[:]), Lo: binary.BigEndian.Uint64(sum[8:])}
}

// ParseHash reads an explicit hash key or an end of a shard's range. The error is ErrHash.
func ParseHash(text string) (Hash, error) {
	if text == "" || len(text) > 39 || text[0] == '0' && len(text) > 1 {
		return Hash{}, ErrHash
	}
	var h Hash
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return Hash{}, ErrHash
		}
		carry, lo := bits.Mul64(h.Lo, 10)
		over, hi := bits.Mul64(h.Hi, 10)
		lo, c1 := bits.Add64(lo, uint64(c-'0'), 0)
		hi, c2 := bits.Add64(hi, carry, c1)
		if over != 0 || c2 != 0 {
			return Hash{}, ErrHash
		}
		h = Hash{Hi: hi, Lo: lo}
	}
	return h, nil
}

// Compare is -1, 0 or 1, as h is below, at or above o.
func (h Hash) Compare(o Hash) int {
	return cmp.Or(cmp.Compare(h.Hi, o.Hi), cmp.Compare(h.Lo, o.Lo))
}

// Within reports whether h is from low to high, both included, as a shard's range is given.
func (h Hash) Within(low, high Hash) bool { return h.Compare(low) >= 0 && h.Compare(high) <= 0 }

// String is the decimal number that ParseHash reads.
func (h Hash) String() string {
	var digits [39]byte
	at := len(digits)
	for {
		var rem uint64
		h.Hi, rem = h.Hi/10, h.Hi%10
		h.Lo, rem = bits.Div64(rem, h.Lo, 10)
		at--
		digits[at] = '0' + byte(rem) //nolint:gosec // below 10
		if h == (Hash{}) {
			return string(digits[at:])
		}
	}
}
