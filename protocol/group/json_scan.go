package group

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep values may nest that are passed over.
const maxDepth = 64

// jsonScanner walks over JSON, strictly by RFC 8259. The first error sticks and ends the input.
type jsonScanner struct {
	b     []byte // valid UTF-8
	i     int
	arena []byte // what was unescaped or decoded
	err   string
}

func (s *jsonScanner) fail(what string) {
	if s.err == "" {
		s.err = what
	}
	s.i = len(s.b)
}

// peek passes over white space and returns the next byte, or zero at the end.
func (s *jsonScanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take passes over c if it is next.
func (s *jsonScanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

// want passes over c, which has to be next.
func (s *jsonScanner) want(c byte) bool {
	if s.take(c) {
		return true
	}
	s.fail("expected " + strconv.QuoteRune(rune(c)) + " at byte " + strconv.Itoa(s.i))
	return false
}

// end reports whether nothing but white space is left.
func (s *jsonScanner) end() bool {
	s.peek()
	return s.i == len(s.b)
}

// room returns an empty slice of n bytes of the arena, to be appended to.
func (s *jsonScanner) room(n int) []byte {
	if cap(s.arena)-len(s.arena) < n {
		s.arena = make([]byte, 0, max(n, (len(s.b)-s.i)/4*3+n))
	}
	at := len(s.arena)
	s.arena = s.arena[:at+n]
	return s.arena[at : at : at+n]
}

// raw returns what stands between the quotes of the text that is next, and whether it has escapes.
func (s *jsonScanner) raw() (raw []byte, escaped, ok bool) {
	if !s.want('"') {
		return nil, false, false
	}
	for at := s.special(s.i); at < len(s.b); at = s.special(at) {
		switch s.b[at] {
		case '"':
			raw, s.i = s.b[s.i:at:at], at+1
			return raw, escaped, true
		case '\\':
			escaped = true
			at += 2
		default:
			s.fail("a control character in a text")
			return nil, false, false
		}
	}
	s.fail("a text without end")
	return nil, false, false
}

// special returns where the first quote, backslash or control character is, from at on, or the end.
func (s *jsonScanner) special(at int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; at+8 <= len(s.b); at += 8 { // eight bytes at a time: the lowest that is found is one, higher ones may not be
		x := binary.LittleEndian.Uint64(s.b[at:])
		quote, backslash := x^'"'*ones, x^'\\'*ones
		if found := ((quote-ones)&^quote | (backslash-ones)&^backslash | (x-' '*ones)&^x) & tops; found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for ; at < len(s.b); at++ {
		if c := s.b[at]; c == '"' || c == '\\' || c < ' ' {
			return at
		}
	}
	return len(s.b)
}

// text returns the text that is next. It aliases the input unless it has escapes.
func (s *jsonScanner) text() string {
	raw, escaped, ok := s.raw()
	switch {
	case !ok:
		return ""
	case !escaped:
		return text(raw)
	}
	return text(s.unescape(raw))
}

// unescape writes raw without escapes into the arena.
func (s *jsonScanner) unescape(raw []byte) []byte {
	b := s.room(len(raw))
	for len(raw) > 0 {
		if raw[0] != '\\' {
			b = append(b, raw[0])
			raw = raw[1:]
			continue
		}
		r, n := escape(raw)
		if n == 0 {
			s.fail("an escape that JSON does not know")
			return nil
		}
		b = utf8.AppendRune(b, r)
		raw = raw[n:]
	}
	return b
}

// checkEscapes fails if raw has an escape that JSON does not know.
func (s *jsonScanner) checkEscapes(raw []byte) {
	for {
		at := bytes.IndexByte(raw, '\\')
		if at < 0 {
			return
		}
		_, n := escape(raw[at:])
		if n == 0 {
			s.fail("an escape that JSON does not know")
			return
		}
		raw = raw[at+n:]
	}
}

// escape reads the escape that b begins with. Its length is zero if it is none. A surrogate without its other half is
// U+FFFD.
func escape(b []byte) (r rune, n int) {
	switch c := b[1]; c { // a text does not end in a backslash
	case '"', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		return surrogates(b)
	}
	return 0, 0
}

// surrogates reads the \u escape that b begins with, and the one after it if both are one character.
func surrogates(b []byte) (r rune, n int) {
	r = hex4(b)
	if r < 0 {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if both := utf16.DecodeRune(r, hex4(b[6:])); both != utf8.RuneError {
			return both, 12
		}
	}
	return utf8.RuneError, 6
}

// hex4 reads the four digits of a \u escape. It is negative if they are none.
func hex4(b []byte) rune {
	if len(b) < 6 {
		return -1
	}
	var r rune
	for _, c := range b[2:6] {
		d := unhex(c)
		if d < 0 {
			return -1
		}
		r = r<<4 | rune(d) //nolint:gosec // four bits
	}
	return r
}

// base64 decodes the text that is next. It is false, without an error, if the text is something else.
func (s *jsonScanner) base64() ([]byte, bool) {
	at := s.i
	if !s.want('"') {
		return nil, false
	}
	n := bytes.IndexByte(s.b[s.i:], '"')
	if n < 0 {
		s.fail("a text without end")
		return nil, false
	}
	raw := s.b[s.i : s.i+n]
	if bytes.IndexByte(raw, '\\') < 0 {
		s.i += n + 1
	} else { // some writers escape slashes
		s.i = at
		escapedRaw, _, ok := s.raw()
		if !ok {
			return nil, false
		}
		raw = s.unescape(escapedRaw)
	}
	data, ok := s.decode64(raw)
	if !ok && bytes.IndexFunc(s.b[at:s.i], isControl) >= 0 {
		s.fail("a control character in a text")
	}
	return data, ok
}

func isControl(r rune) bool { return r < 0x20 }

var strict64 = base64.StdEncoding.Strict()

func (s *jsonScanner) decode64(raw []byte) ([]byte, bool) {
	if len(raw)%4 != 0 {
		return nil, false
	}
	size := len(raw) / 4 * 3
	if size > 0 && raw[len(raw)-1] == '=' {
		size--
		if raw[len(raw)-2] == '=' {
			size--
		}
	}
	b := s.room(len(raw) / 4 * 3)
	n, err := strict64.Decode(b[:cap(b)], raw)
	if err != nil || n != size { // the decoder passes over line breaks
		return nil, false
	}
	return b[:n:n], true
}

// skip passes over any value.
func (s *jsonScanner) skip(depth int) {
	if depth > maxDepth {
		s.fail("values nest too deep")
		return
	}
	switch c := s.peek(); {
	case c == '"':
		s.skipText()
	case c == '{':
		s.i++
		s.skipAll('}', func() bool { return s.skipText() && s.want(':') }, depth)
	case c == '[':
		s.i++
		s.skipAll(']', func() bool { return true }, depth)
	case c == '-' || '0' <= c && c <= '9':
		s.number()
	default:
		s.word()
	}
}

// skipText passes over a text, whose escapes have to be JSON's.
func (s *jsonScanner) skipText() bool {
	if raw, escaped, ok := s.raw(); ok && escaped {
		s.checkEscapes(raw)
	}
	return s.err == ""
}

// skipAll passes over values up to the closing bracket; before is called ahead of each.
func (s *jsonScanner) skipAll(closing byte, before func() bool, depth int) {
	if s.take(closing) {
		return
	}
	for before() {
		s.skip(depth + 1)
		if s.err != "" || s.take(closing) || !s.want(',') {
			return
		}
	}
}

// word passes over true, false or null and returns it.
func (s *jsonScanner) word() string {
	for _, w := range [...]string{"null", "true", "false"} {
		if bytes.HasPrefix(s.b[s.i:], []byte(w)) {
			s.i += len(w)
			return w
		}
	}
	s.fail("expected a value at byte " + strconv.Itoa(s.i))
	return ""
}

// number passes over a number and returns it.
func (s *jsonScanner) number() []byte {
	start := s.i
	s.is('-')
	if !s.is('0') && !s.digits() {
		s.fail("expected a digit at byte " + strconv.Itoa(s.i))
		return nil
	}
	if s.is('.') && !s.digits() {
		s.fail("expected a digit at byte " + strconv.Itoa(s.i))
		return nil
	}
	if s.is('e') || s.is('E') {
		if !s.is('+') {
			s.is('-')
		}
		if !s.digits() {
			s.fail("expected a digit at byte " + strconv.Itoa(s.i))
			return nil
		}
	}
	return s.b[start:s.i]
}

// is passes over c if it is the very next byte.
func (s *jsonScanner) is(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *jsonScanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}
