package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed is what every parse error of this package wraps: the bytes are no message of the protocol.
var ErrMalformed = errors.New("malformed protocol message")

func malformed(where, what string) error {
	return fmt.Errorf("%w: %s: %s", ErrMalformed, where, what)
}

// Wire types as the low bits of a tag.
const (
	wireVarint = 0
	wireBytes  = 2
)

// tag returns the encoding of a tag, for comparison with what scanner.next returned.
func tag(field, wireType uint64) uint64 { return field<<3 | wireType }

// scanner walks over the fields of one message. The first error sticks.
type scanner struct {
	rest  []byte
	where string // name of the message, for errors
	err   error
}

// next returns the next tag. It reports false at the end and after an error.
func (s *scanner) next() (uint64, bool) {
	if len(s.rest) == 0 || s.err != nil {
		return 0, false
	}
	t := uint64(s.rest[0])
	if t < 0x80 {
		s.rest = s.rest[1:]
	} else if t = s.varint(); s.err != nil {
		return 0, false
	}
	if field := t >> 3; field == 0 || field > uint64(protowire.MaxValidNumber) {
		s.fail("field number out of range")
		return 0, false
	}
	return t, true
}

func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = malformed(s.where, what)
	}
	s.rest = nil
}

func (s *scanner) varint() uint64 {
	if len(s.rest) > 0 && s.rest[0] < 0x80 {
		v := uint64(s.rest[0])
		s.rest = s.rest[1:]
		return v
	}
	v, n := protowire.ConsumeVarint(s.rest)
	if n < 0 {
		s.fail("bad number")
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

// bytes returns a length-delimited value, never nil.
func (s *scanner) bytes() []byte {
	n := s.varint()
	if s.err != nil {
		return nil
	}
	if n > uint64(len(s.rest)) {
		s.fail("cut short")
		return nil
	}
	v := s.rest[:n:n]
	s.rest = s.rest[n:]
	return v
}

// text returns a string that aliases the input. Protobuf strings are UTF-8.
func (s *scanner) text() string {
	v := s.bytes()
	if len(v) == 0 {
		return ""
	}
	if !utf8.Valid(v) {
		s.fail("text is not UTF-8")
		return ""
	}
	return unsafe.String(unsafe.SliceData(v), len(v)) //nolint:gosec // the input does not change, says the package
}

// skip passes over the value of an unknown field, or of a known field of an unexpected wire type.
func (s *scanner) skip(t uint64) {
	num := protowire.Number(t >> 3)                                    //nolint:gosec // next has checked the range
	n := protowire.ConsumeFieldValue(num, protowire.Type(t&7), s.rest) //nolint:gosec // three bits
	if n < 0 {
		s.fail("bad value of an unknown field")
		return
	}
	s.rest = s.rest[n:]
}
