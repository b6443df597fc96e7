package file

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/stateway/stateway/runtime/egress"
)

// appendLine appends a record as a JSON object and a newline. Keys that do not apply are left out.
func appendLine(b []byte, r *egress.Record, id string) []byte {
	p, err := egress.Normalise(r.Typename, r.Value)
	if err != nil { // Validate let it through under another module: as it came, rather than lost
		p = egress.Payload{Typename: r.Typename, Value: r.Value}
	}
	stream := "topic"
	if r.Typename == egress.TypeKinesisRecord {
		stream = "stream"
	}
	b = append(b, '{')
	b = appendMember(b, stream, p.Stream)
	b = appendMember(b, "key", p.Key)
	b = appendMember(b, "explicitHashKey", p.ExplicitHashKey)
	if text, ok := p.Text(); ok {
		b = append(b, `"value":`...)
		b = appendJSON(b, text)
	} else {
		b = append(b, `"valueBase64":"`...)
		b = base64.StdEncoding.AppendEncode(b, p.Value)
		b = append(b, '"')
	}
	b = append(b, ',')
	b = appendMember(b, "type", p.Typename)
	b = appendMember(b, "traceparent", r.Trace.String())
	b = append(b, `"id":`...)
	b = appendJSON(b, id)
	return append(b, '}', '\n')
}

// appendMember appends a member and a comma, unless value is empty.
func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	b = appendJSON(b, value)
	return append(b, ',')
}

// appendJSON appends text as a JSON string; bytes that are not UTF-8 become U+FFFD.
func appendJSON(b []byte, text string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' {
				b = append(b, text[start:i]...)
				switch c {
				case '"', '\\':
					b = append(b, '\\', c)
				case '\n':
					b = append(b, '\\', 'n')
				default:
					b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
				}
				start = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, text[start:i]...), "\uFFFD"...)
			start = i + 1
		}
		i += size
	}
	return append(append(b, text[start:]...), '"')
}
