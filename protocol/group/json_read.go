package group

import (
	"strconv"
	"unicode/utf8"
)

// jsonReader reads the events of a JSON batch one by one.
type jsonReader struct {
	s       jsonScanner
	started bool
}

func newJSONReader(b []byte) *jsonReader {
	r := &jsonReader{s: jsonScanner{b: b}}
	if !utf8.Valid(b) {
		r.s.fail("text is not UTF-8")
		return r
	}
	r.s.want('[')
	return r
}

// next reads an event into ev. It reports false at the end and after an error.
func (r *jsonReader) next(ev *event) bool {
	s := &r.s
	if s.err != "" {
		return false
	}
	if s.take(']') {
		if !s.end() {
			s.fail("something after the batch")
		}
		return false
	}
	if r.started && !s.want(',') {
		return false
	}
	r.started = true
	s.readEvent(ev)
	return s.err == ""
}

func (r *jsonReader) failed() string { return r.s.err }

func (s *jsonScanner) readEvent(ev *event) {
	if !s.want('{') || s.take('}') {
		return
	}
	for s.err == "" {
		s.peek()
		key := s.text()
		if !s.want(':') {
			return
		}
		s.peek()
		s.readMember(ev, key)
		if s.err != "" || s.take('}') || !s.want(',') {
			return
		}
	}
}

// Bits of event.seen for the two members that are no attributes.
const (
	seenData = 1 << (attrRetryAfter + 1 + iota)
	seenData64
)

func (s *jsonScanner) readMember(ev *event, key string) {
	switch key {
	case "data_base64":
		ev.once(seenData64|seenData, seenData64)
		s.readData64(ev)
		return
	case "data":
		ev.once(seenData64|seenData, seenData)
		s.readData(ev)
		return
	}
	a := number(key)
	if a == attrUnknown {
		s.skip(1)
		return
	}
	ev.once(1<<a, 1<<a)
	s.readAttribute(ev, a)
}

// once spoils the event if one of the bits was seen before, and notes that bit was seen.
func (ev *event) once(bits, bit uint32) {
	if ev.seen&bits != 0 {
		ev.spoil("a member twice, or two kinds of data")
	}
	ev.seen |= bit
}

// readAttribute reads the value of a known attribute. An attribute that is null is not there.
func (s *jsonScanner) readAttribute(ev *event, a attr) {
	switch c := s.peek(); {
	case c == '"':
		ev.setText(a, s.text())
	case c == '-' || '0' <= c && c <= '9':
		n, err := strconv.ParseInt(text(s.number()), 10, 64)
		if err != nil {
			ev.spoil("a number is not whole or too large")
			return
		}
		ev.setNumber(a, n)
	case c == '{' || c == '[':
		s.skip(1)
		ev.spoil("an attribute is neither text nor number")
	default:
		if s.word() != "null" {
			ev.spoil("an attribute is neither text nor number")
		}
	}
}

func (s *jsonScanner) readData(ev *event) {
	switch s.peek() {
	case '"':
		ev.text, ev.hasText = s.text(), true
	case 'n':
		s.word()
	default:
		s.skip(1)
		ev.spoil("data is no text")
	}
}

func (s *jsonScanner) readData64(ev *event) {
	if s.peek() == 'n' {
		s.word()
		return
	}
	if s.peek() != '"' {
		s.skip(1)
		ev.spoil("data_base64 is no text")
		return
	}
	data, ok := s.base64()
	if !ok {
		ev.spoil("data_base64 is not base64")
		return
	}
	ev.data, ev.hasData = data, true
}
