package group

import (
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/stateway/stateway/protocol/wire"
)

const upperHex = "0123456789ABCDEF"

// AppendSubject appends the Address as it stands in the attribute subject: namespace/name/id, escaped.
func AppendSubject(b []byte, a wire.Address) []byte {
	b = appendFunctionType(b, a)
	b = append(b, '/')
	return appendEscaped(b, a.ID, false)
}

func appendFunctionType(b []byte, a wire.Address) []byte {
	b = appendEscaped(b, a.Namespace, true)
	b = append(b, '/')
	return appendEscaped(b, a.Type, true)
}

// appendEscaped writes %, what CloudEvents does not allow in a text, bytes that are not UTF-8, and, in names, slashes
// as % with two hexadecimal digits a byte.
func appendEscaped(b []byte, s string, name bool) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < 0x20 || c == 0x7f || c == '%' || name && c == '/' {
				b = append(b, '%', upperHex[c>>4], upperHex[c&15])
			} else {
				b = append(b, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if n > 1 && allowed(r) {
			b = append(b, s[i:i+n]...)
		} else {
			for _, c := range []byte(s[i : i+n]) {
				b = append(b, '%', upperHex[c>>4], upperHex[c&15])
			}
		}
		i += n
	}
	return b
}

// allowed reports whether CloudEvents allows a character beyond ASCII: no control character, no noncharacter.
func allowed(r rune) bool {
	return r > 0x9f && (r < 0xfdd0 || r > 0xfdef) && r&0xfffe != 0xfffe
}

// ParseSubject reads what AppendSubject has written. The Address aliases s where nothing was escaped.
func ParseSubject(s string) (wire.Address, error) {
	namespace, rest, _ := strings.Cut(s, "/")
	name, id, found := strings.Cut(rest, "/")
	if !found || namespace == "" || name == "" {
		return wire.Address{}, fmt.Errorf("subject %.80q is not of the form namespace/name/id", s)
	}
	a := wire.Address{Namespace: namespace, Type: name, ID: id}
	if strings.IndexByte(s, '%') < 0 {
		return a, nil
	}
	var ok [3]bool
	a.Namespace, ok[0] = unescape(namespace)
	a.Type, ok[1] = unescape(name)
	a.ID, ok[2] = unescape(id)
	if ok != [3]bool{true, true, true} {
		return wire.Address{}, fmt.Errorf("subject %.80q: a %% without two hexadecimal digits", s)
	}
	return a, nil
}

func unescape(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := unhex(s[i+1]), unhex(s[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b = append(b, byte(high<<4|low)) //nolint:gosec // two values below 16
		i += 2
	}
	return text(b), true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// text is b as a string that aliases it.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // the input does not change, says the package
}
