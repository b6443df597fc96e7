package group

import (
	"encoding/base64"
	"math"
	"strconv"
)

// appendCallJSON appends a call as a JSON event. subject is its escaped Address, whose first n bytes are the function
// type. The texts are UTF-8.
func appendCallJSON(b []byte, c *Call, subject []byte, n int) []byte {
	b = appendHeadJSON(b, c.ID, c.Source, typeCall)
	b = appendText(b, `","subject":"`, text(subject))
	b = appendText(b, `","functiontype":"`, text(subject[:n]))
	b = append(b, `","attempt":`...)
	b = strconv.AppendInt(b, capped(int64(c.Attempt)), 10)
	b = append(b, `,"generation":"`...)
	b = strconv.AppendUint(b, c.Generation, 10)
	b = append(b, '"')
	if c.TimeoutMillis > 0 {
		b = append(b, `,"timeoutms":`...)
		b = strconv.AppendInt(b, capped(c.TimeoutMillis), 10)
	}
	if c.Traceparent != "" {
		b = appendText(b, `,"traceparent":"`, c.Traceparent)
		b = append(b, '"')
	}
	return appendDataJSON(b, `,"datacontenttype":"application/protobuf","data_base64":"`, c.Data)
}

// appendAnswerJSON appends an answer as a JSON event. The texts are UTF-8.
func appendAnswerJSON(b []byte, a *Answer) []byte {
	if a.Kind == Result {
		b = appendHeadJSON(b, a.ID, a.Source, typeResult)
		b = appendEncodingsJSON(b, a.Encodings)
		return appendDataJSON(b, `","datacontenttype":"application/protobuf","data_base64":"`, a.Data)
	}
	b = appendHeadJSON(b, a.ID, a.Source, typeError)
	b = appendEncodingsJSON(b, a.Encodings)
	b = append(b, `","errorkind":"`...)
	b = append(b, a.Kind.String()...)
	b = append(b, '"')
	if a.Kind == RetryAfter {
		b = append(b, `,"retryafterms":`...)
		b = strconv.AppendInt(b, capped(a.RetryAfterMillis), 10)
	}
	b = appendText(b, `,"datacontenttype":"text/plain","data":"`, a.Message)
	return append(b, `"}`...)
}

// appendHeadJSON leaves the quotes of the type open.
func appendHeadJSON(b []byte, id, source, typ string) []byte {
	b = appendText(b, `{"specversion":"1.0","id":"`, id)
	b = appendText(b, `","source":"`, source)
	b = append(b, `","type":"`...)
	return append(b, typ...)
}

// appendEncodingsJSON begins and ends within the quotes of a text.
func appendEncodingsJSON(b []byte, s Encodings) []byte {
	if s == 0 {
		return b
	}
	return appendText(b, `","encodings":"`, s.String())
}

func appendDataJSON(b []byte, name string, data []byte) []byte {
	b = append(b, name...)
	b = base64.StdEncoding.AppendEncode(b, data)
	return append(b, `"}`...)
}

func appendText(b []byte, name, s string) []byte {
	b = append(b, name...)
	return appendQuoted(b, s)
}

// appendQuoted appends s, which is UTF-8, as it stands between quotes.
func appendQuoted(b []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		default:
			b = append(b, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
		}
	}
	return append(b, s[start:]...)
}

// sizeQuoted is the length of what appendQuoted appends.
func sizeQuoted(s string) int {
	n := len(s)
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x20 && c != '"' && c != '\\':
		case c == '"' || c == '\\' || c == '\n':
			n++
		default:
			n += 5
		}
	}
	return n
}

// sizeCallJSON is the length of what appendCallJSON appends, if the data has so many bytes.
func sizeCallJSON(c *Call, subject []byte, n, data int) int {
	size := len(`{"specversion":"1.0","id":"","source":"","type":"`+typeCall+`","subject":"","functiontype":"","attempt":,"generation":""`+
		`,"datacontenttype":"application/protobuf","data_base64":""}`) +
		sizeQuoted(c.ID) + sizeQuoted(c.Source) + sizeQuoted(text(subject)) + sizeQuoted(text(subject[:n])) +
		digits(uint64(capped(int64(c.Attempt)))) + digits(c.Generation) + //nolint:gosec // not negative
		base64.StdEncoding.EncodedLen(data)
	if c.TimeoutMillis > 0 {
		size += len(`,"timeoutms":`) + digits(uint64(capped(c.TimeoutMillis))) //nolint:gosec // not negative
	}
	if c.Traceparent != "" {
		size += len(`,"traceparent":""`) + sizeQuoted(c.Traceparent)
	}
	return size
}

// sizeAnswerJSON is the length of what appendAnswerJSON appends.
func sizeAnswerJSON(a *Answer) int {
	size := len(`{"specversion":"1.0","id":"","source":"","type":"","datacontenttype":""}`) + sizeQuoted(a.ID) + sizeQuoted(a.Source)
	if a.Encodings != 0 {
		size += len(`,"encodings":""`) + len(a.Encodings.String())
	}
	if a.Kind == Result {
		return size + len(typeResult+dataProtobuf+`,"data_base64":""`) + base64.StdEncoding.EncodedLen(len(a.Data))
	}
	size += len(typeError+dataText+`,"errorkind":"","data":""`) + len(a.Kind.String()) + sizeQuoted(a.Message)
	if a.Kind == RetryAfter {
		size += len(`,"retryafterms":`) + digits(uint64(capped(a.RetryAfterMillis))) //nolint:gosec // not negative
	}
	return size
}

// capped is n as a whole number of CloudEvents, which is not negative here.
func capped(n int64) int64 { return min(max(n, 0), math.MaxInt32) }

// digits is the length of n in decimal.
func digits(n uint64) int {
	size := 1
	for ; n >= 10; n /= 10 {
		size++
	}
	return size
}
