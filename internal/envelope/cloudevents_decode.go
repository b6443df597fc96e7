package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// DecodeCloudEvent reads an event of any producer in structured JSON: it needs specversion 1.0, id and source. A member that
// stands there twice is refused, because readers would not agree on it. The payload may be a part of data. The error wraps ErrDamaged.
func DecodeCloudEvent(data []byte) (CloudEvent, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return CloudEvent{}, notEvent("it is not JSON in UTF-8")
	}
	s := scanner{b: data}
	if s.space(); s.b[s.at] != '{' {
		return CloudEvent{}, notEvent("it is not a JSON object")
	}
	s.at++
	var m members
	for {
		name, value, ok := s.member()
		if !ok {
			return m.event()
		}
		if err := m.set(name, value); err != nil {
			return CloudEvent{}, err
		}
	}
}

func notEvent(why string, args ...any) error {
	return fmt.Errorf("%w of CloudEvents: %s", ErrDamaged, fmt.Sprintf(why, args...))
}

// members are the values that count, as they stand in the JSON; nil if missing.
type members struct {
	specversion, id, source, typ, subject, contentType, partitionKey, traceparent, data, base64 []byte
	traceparents                                                                                int
}

func (m *members) set(name string, value []byte) error {
	var to *[]byte
	switch name {
	case "specversion":
		to = &m.specversion
	case "id":
		to = &m.id
	case "source":
		to = &m.source
	case "type":
		to = &m.typ
	case "subject":
		to = &m.subject
	case "datacontenttype":
		to = &m.contentType
	case "partitionkey":
		to = &m.partitionKey
	case "traceparent": // a mistake in it is no fault of the event
		m.traceparent = value
		m.traceparents++
		return nil
	case "data":
		to = &m.data
	case "data_base64":
		to = &m.base64
	default:
		return nil
	}
	if *to != nil {
		return notEvent("%s is there twice", name)
	}
	*to = value
	return nil
}

// event reads the values.
func (m *members) event() (CloudEvent, error) {
	var e CloudEvent
	var version string
	for _, a := range []struct {
		name  string
		value []byte
		to    *string
	}{
		{"specversion", m.specversion, &version},
		{"id", m.id, &e.ID},
		{"source", m.source, &e.Source},
		{"type", m.typ, &e.Type},
		{"subject", m.subject, &e.Subject},
		{"datacontenttype", m.contentType, &e.ContentType},
		{"partitionkey", m.partitionKey, &e.PartitionKey},
	} {
		if absent(a.value) {
			continue
		}
		text, ok := unquote(a.value)
		if !ok {
			return CloudEvent{}, notEvent("%s is not a text", a.name)
		}
		*a.to = text
	}
	switch {
	case version != "1.0":
		return CloudEvent{}, notEvent("specversion is %.50q, not 1.0", version)
	case e.ID == "":
		return CloudEvent{}, notEvent("it has no id")
	case e.Source == "":
		return CloudEvent{}, notEvent("it has no source")
	}
	if m.traceparents == 1 {
		e.Traceparent, _ = unquote(m.traceparent)
	}
	var err error
	e.Payload, err = m.payload(e.ContentType)
	if err != nil {
		return CloudEvent{}, err
	}
	return e, nil
}

func (m *members) payload(contentType string) ([]byte, error) {
	switch {
	case !absent(m.data) && !absent(m.base64):
		return nil, notEvent("it has both data and data_base64")
	case !absent(m.base64):
		text, ok := unquote(m.base64)
		if !ok {
			return nil, notEvent("data_base64 is not a text")
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, notEvent("data_base64: %v", err)
		}
		return b, nil
	case absent(m.data):
		return nil, nil
	case m.data[0] == '"' && !isJSON(contentType):
		text, _ := unquote(m.data)
		return []byte(text), nil
	}
	return m.data, nil
}

// absent: a null is as good as nothing, as the specification says of attributes.
func absent(value []byte) bool { return value == nil || string(value) == "null" }

// unquote reads a JSON string; half a surrogate pair becomes U+FFFD.
func unquote(value []byte) (text string, ok bool) {
	if value[0] != '"' {
		return "", false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	err := json.Unmarshal(value, &text)
	return text, err == nil
}

// scanner walks the members of an object in JSON that was found valid.
type scanner struct {
	b  []byte
	at int
}

func (s *scanner) space() {
	for isSpace(s.b[s.at]) {
		s.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// member returns the next one; ok is false at the end of the object.
func (s *scanner) member() (name string, value []byte, ok bool) {
	s.space()
	if s.b[s.at] == ',' {
		s.at++
		s.space()
	}
	if s.b[s.at] == '}' {
		return "", nil, false
	}
	name, _ = unquote(s.text())
	s.space()
	s.at++ // the colon
	s.space()
	return name, s.value(), true
}

// text takes a string with its quotes.
func (s *scanner) text() []byte {
	start := s.at
	for s.at++; s.b[s.at] != '"'; s.at++ {
		if s.b[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
	return s.b[start:s.at:s.at]
}

// value takes a value of any kind.
func (s *scanner) value() []byte {
	start, depth := s.at, 0
	for {
		switch c := s.b[s.at]; {
		case c == '"':
			s.text()
		case c == '{' || c == '[':
			depth++
			s.at++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
			s.at++
		case depth == 0: // a number, true, false or null
			for !isSpace(s.b[s.at]) && s.b[s.at] != ',' && s.b[s.at] != '}' {
				s.at++
			}
		default:
			s.at++
			continue
		}
		if depth == 0 {
			return s.b[start:s.at:s.at]
		}
	}
}
