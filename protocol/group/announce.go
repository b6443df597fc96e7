package group

import "strings"

// Header is the HTTP response header with which a server announces the protocol, on its answers to plain requests and
// to groups.
const Header = "Stateway-Group"

// Version is the version of the protocol that this package speaks.
const Version = "1"

// Encodings is a set of encodings. The zero set means that the protocol is not spoken.
type Encodings uint8

// With returns the set with e.
func (s Encodings) With(e Encoding) Encodings { return s | 1<<e }

// Has reports whether e is in the set.
func (s Encodings) Has(e Encoding) bool { return s&(1<<e) != 0 }

// String lists the names with a space between two.
func (s Encodings) String() string {
	var b []byte
	for e := JSON; e <= Packed; e++ {
		if !s.Has(e) {
			continue
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(b, e.String()...)
	}
	return string(b)
}

// parseEncodings reads such a list. Names that this package does not know are left out.
func parseEncodings(list string) Encodings {
	var s Encodings
	for name := range strings.FieldsSeq(list) {
		for e := JSON; e <= Packed; e++ {
			if name == e.String() {
				s = s.With(e)
			}
		}
	}
	return s
}

// Announce returns the value of Header for a server that knows these encodings.
func Announce(s Encodings) string {
	return Version + `; encodings="` + s.String() + `"`
}

// maxAnnouncement is up to which length an announcement is read, in bytes.
const maxAnnouncement = 1024

// ParseAnnouncement reads the values of Header. It returns the encodings that the server knows for Version, always
// with JSON among them, or the zero set if it announces nothing that this package speaks.
func ParseAnnouncement(values ...string) Encodings {
	for _, value := range values {
		if len(value) > maxAnnouncement {
			continue
		}
		for value != "" {
			var member string
			member, value = cutOutside(value, ',')
			if s := parseMember(member); s != 0 {
				return s
			}
		}
	}
	return 0
}

// parseMember reads one version with its parameters.
func parseMember(member string) Encodings {
	version, rest := cutOutside(member, ';')
	if strings.TrimSpace(version) != Version {
		return 0
	}
	s := Encodings(0).With(JSON)
	for rest != "" {
		var param string
		param, rest = cutOutside(rest, ';')
		name, value, _ := strings.Cut(param, "=")
		if strings.TrimSpace(name) == "encodings" {
			s |= parseEncodings(strings.Trim(strings.TrimSpace(value), `"`))
		}
	}
	return s
}

// cutOutside cuts s at the first sep that is not between quotes.
func cutOutside(s string, sep byte) (before, after string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
