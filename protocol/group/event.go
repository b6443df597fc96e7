package group

import (
	"math"
	"strconv"
)

// event is what is read of one CloudEvent, in any encoding.
type event struct {
	id, source, specversion, typ, subject, contentType string
	generation, traceparent, errorKind, encodings      string
	attempt, timeoutMillis, retryAfterMillis           int64
	data                                               []byte
	text                                               string
	hasData, hasText                                   bool
	seen                                               uint32 // attributes, by number: bits of attr
	bad                                                string // why the event cannot be used, though it can be read
}

// attr numbers the attributes that the protocol uses.
type attr uint8

const (
	attrUnknown attr = iota
	attrID
	attrSource
	attrSpecversion
	attrType
	attrSubject
	attrContentType
	attrGeneration
	attrTraceparent
	attrErrorKind
	attrEncodings
	attrAttempt // this one and those below are whole numbers
	attrTimeout
	attrRetryAfter
)

// number returns which attribute a name means.
func number(name string) attr {
	switch name {
	case "id":
		return attrID
	case "source":
		return attrSource
	case "specversion":
		return attrSpecversion
	case "type":
		return attrType
	case "subject":
		return attrSubject
	case "datacontenttype":
		return attrContentType
	case "generation":
		return attrGeneration
	case "traceparent":
		return attrTraceparent
	case "errorkind":
		return attrErrorKind
	case "encodings":
		return attrEncodings
	case "attempt":
		return attrAttempt
	case "timeoutms":
		return attrTimeout
	case "retryafterms":
		return attrRetryAfter
	}
	return attrUnknown
}

// text returns where a text is kept, nil for a whole number.
func (ev *event) place(a attr) *string {
	switch a {
	case attrID:
		return &ev.id
	case attrSource:
		return &ev.source
	case attrSpecversion:
		return &ev.specversion
	case attrType:
		return &ev.typ
	case attrSubject:
		return &ev.subject
	case attrContentType:
		return &ev.contentType
	case attrGeneration:
		return &ev.generation
	case attrTraceparent:
		return &ev.traceparent
	case attrErrorKind:
		return &ev.errorKind
	case attrEncodings:
		return &ev.encodings
	}
	return nil
}

func (ev *event) numberPlace(a attr) *int64 {
	switch a {
	case attrAttempt:
		return &ev.attempt
	case attrTimeout:
		return &ev.timeoutMillis
	default:
		return &ev.retryAfterMillis
	}
}

// setText takes the value of an attribute that came as a text. Whole numbers may come as one, in decimal.
func (ev *event) setText(a attr, s string) {
	if p := ev.place(a); p != nil {
		*p = s
		return
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		ev.spoil("an attribute that is a whole number holds another text")
		return
	}
	ev.setNumber(a, n)
}

// setNumber takes the value of an attribute that came as a number.
func (ev *event) setNumber(a attr, n int64) {
	if ev.place(a) != nil {
		ev.spoil("an attribute that is a text holds a number")
		return
	}
	if n < 0 || n > math.MaxInt32 {
		ev.spoil("a number is negative or too large")
		return
	}
	*ev.numberPlace(a) = n
}

// spoil notes why the event cannot be used. The first reason counts.
func (ev *event) spoil(why string) {
	if ev.bad == "" {
		ev.bad = why
	}
}

// checkCommon checks what calls and answers have in common.
func (ev *event) checkCommon() {
	switch {
	case ev.specversion != "1.0":
		ev.spoil("specversion is not 1.0")
	case ev.id == "":
		ev.spoil("no id")
	case ev.source == "":
		ev.spoil("no source")
	}
}

// call makes the event a Call, the i-th of its group.
func (ev *event) call(i int, c *Call) {
	ev.checkCommon()
	switch {
	case ev.typ != typeCall:
		ev.spoil("type is not " + typeCall)
	case ev.contentType != dataProtobuf:
		ev.spoil("datacontenttype is not " + dataProtobuf)
	case !ev.hasData:
		ev.spoil("no data in bytes")
	}
	var generation uint64
	if ev.generation != "" {
		var err error
		if generation, err = strconv.ParseUint(ev.generation, 10, 64); err != nil {
			ev.spoil("generation is no number")
		}
	}
	target, err := ParseSubject(ev.subject)
	if err != nil {
		ev.spoil(err.Error())
	}
	if ev.bad != "" {
		*c = Call{ID: ev.id, Err: &Error{Item: i, ID: ev.id, What: ev.bad}}
		return
	}
	*c = Call{
		ID: ev.id, Source: ev.source, Target: target, Generation: generation, Attempt: int(ev.attempt),
		TimeoutMillis: ev.timeoutMillis, Traceparent: ev.traceparent, Data: ev.data,
	}
}

// answer makes the event an Answer, the i-th of its group.
func (ev *event) answer(i int, a *Answer) {
	ev.checkCommon()
	kind := ev.answerKind()
	if kind == Result && ev.hasText {
		ev.spoil("data is a text and should be bytes")
	}
	if ev.bad != "" {
		*a = Answer{ID: ev.id, Kind: Invalid, Err: &Error{Item: i, ID: ev.id, What: ev.bad}}
		return
	}
	*a = Answer{ID: ev.id, Source: ev.source, Kind: kind}
	if ev.encodings != "" {
		a.Encodings = parseEncodings(ev.encodings)
	}
	if kind == Result {
		a.Data = ev.data
		return
	}
	a.Message = beginning(ev.text)
	if ev.hasData {
		a.Message = validText(beginning(text(ev.data)))
	}
	if kind == RetryAfter {
		a.RetryAfterMillis = ev.retryAfterMillis
	}
}

func (ev *event) answerKind() Kind {
	switch ev.typ {
	case typeResult:
		if ev.contentType != dataProtobuf && (ev.hasData || ev.contentType != "") {
			ev.spoil("datacontenttype is not " + dataProtobuf)
		}
		return Result
	case typeError:
		switch ev.errorKind {
		case "retry":
			return Retry
		case "retryafter":
			return RetryAfter
		case "poison":
			return Poison
		}
		ev.spoil("errorkind is not retry, retryafter or poison")
		return Invalid
	}
	ev.spoil("type is neither " + typeResult + " nor " + typeError)
	return Invalid
}
