package group

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// reader reads the events of a batch one by one.
type reader interface {
	next(ev *event) bool
	failed() string
}

// ParseCalls reads a group that asks and appends its calls to into, whose room it uses. An event that cannot be used
// is a Call with an Err; a batch that cannot be read is an *Error, and nothing of it may be used. The calls alias b, but
// for the Data of JSON and Packed, which is decoded into memory of its own.
func ParseCalls(enc Encoding, b []byte, into []Call) ([]Call, error) {
	n := len(into)
	err := parse(enc, b, func(i int, ev *event) {
		into = append(into, Call{})
		ev.call(i, &into[len(into)-1])
	})
	if err != nil {
		clear(into[n:])
		return into[:n], err
	}
	return into, nil
}

// ParseAnswers reads a group that answers and appends its answers to into, whose room it uses. An event that cannot be
// used has the kind Invalid; a batch that cannot be read is an *Error, and nothing of it may be used. The answers
// alias b, as calls do. Whom they answer, a Match tells.
func ParseAnswers(enc Encoding, b []byte, into []Answer) ([]Answer, error) {
	n := len(into)
	err := parse(enc, b, func(i int, ev *event) {
		into = append(into, Answer{})
		ev.answer(i, &into[len(into)-1])
	})
	if err != nil {
		clear(into[n:])
		return into[:n], err
	}
	return into, nil
}

func parse(enc Encoding, b []byte, each func(int, *event)) error {
	var r reader
	switch enc {
	case JSON:
		r = newJSONReader(b)
	case Protobuf:
		r = newProtoReader(b)
	case Packed:
		raw, err := unpack(b)
		if err != nil {
			return err
		}
		r = newProtoReader(raw)
	default:
		return &Error{Item: -1, What: fmt.Sprintf("unknown encoding %d", enc)}
	}
	return parseEvents(r, each)
}

func parseEvents(r reader, each func(int, *event)) error {
	var ev event
	for i := 0; ; i++ {
		ev = event{}
		if !r.next(&ev) {
			if why := r.failed(); why != "" {
				return &Error{Item: i, What: why}
			}
			return nil
		}
		if i == MaxItems {
			return &Error{Item: -1, What: fmt.Sprintf("more than %d events", MaxItems)}
		}
		each(i, &ev)
	}
}

// validText is s with U+FFFD for what is not UTF-8.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
