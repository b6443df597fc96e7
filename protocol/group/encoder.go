package group

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"
)

// MaxMessage is how much of an error's message is written, and read, in bytes.
const MaxMessage = 4096

// minFlush is how much of a CloudEventBatch is compressed at least before the others are added, in bytes: to learn its
// size costs a little of its density.
const minFlush = 16 << 10

// Encoder writes groups, one after the other, and never longer than a limit. The zero Encoder needs a Reset.
type Encoder struct {
	enc   Encoding
	limit int
	dst   []byte // what a Packed group is appended to
	buf   []byte // the caller's bytes and the group so far; of Packed, the CloudEventBatch
	start int    // of the group in buf
	items int
	pack  *packer // of Packed

	subject []byte // room for an escaped Address and a generation
	raw     []byte // room for a CloudEventBatch
}

// Reset begins a group that Finish appends to dst. It is at most limit bytes long; zero means no limit. A group that
// was not finished is given up.
func (e *Encoder) Reset(enc Encoding, dst []byte, limit int) {
	if e.pack != nil {
		e.pack.release()
	}
	if limit <= 0 {
		limit = math.MaxInt
	}
	*e = Encoder{enc: enc, limit: limit, subject: e.subject, raw: e.raw}
	switch enc {
	case Packed:
		e.dst, e.buf, e.pack = dst, e.raw[:0], newPacker()
	case JSON:
		e.start, e.buf = len(dst), append(dst, '[')
	case Protobuf:
		e.start, e.buf = len(dst), dst
	default:
		panic("group: an Encoder was reset to " + enc.String() + " encoding")
	}
}

// Len is the number of events in the group.
func (e *Encoder) Len() int { return e.items }

// Size is the length of the group if it were finished now, in bytes. Of Packed, it may turn out shorter.
func (e *Encoder) Size() int {
	switch e.enc {
	case JSON:
		return len(e.buf) - e.start + 1
	case Packed:
		return packedSize(e.pack.bound(len(e.buf)))
	}
	return len(e.buf) - e.start
}

// AddCall adds a call. It reports false, and adds nothing, if the group would become too long, or has MaxItems. It keeps
// nothing of c.
func (e *Encoder) AddCall(c *Call) bool {
	mark, ok := e.begin()
	if !ok {
		return false
	}
	call := *c
	call.clean()
	var n int
	e.subject, n = appendAddress(e.subject[:0], &call)
	if e.enc == JSON {
		e.buf = appendCallJSON(e.buf, &call, e.subject, n)
		return e.keep(mark)
	}
	end := len(e.subject)
	e.subject = strconv.AppendUint(e.subject, call.Generation, 10)
	var ev protoEvent
	ev.ofCall(&call, e.subject[:end], n, text(e.subject[end:]))
	size, _ := ev.sizes(len(ev.data))
	e.buf = ev.append(e.buf, size)
	return e.keep(mark)
}

// AddAnswer adds an answer. It reports false, and adds nothing, if the group would become too long, or has MaxItems. It
// keeps nothing of a.
func (e *Encoder) AddAnswer(a *Answer) bool {
	mark, ok := e.begin()
	if !ok {
		return false
	}
	answer := *a
	answer.clean()
	if e.enc == JSON {
		e.buf = appendAnswerJSON(e.buf, &answer)
		return e.keep(mark)
	}
	var ev protoEvent
	ev.ofAnswer(&answer)
	size, _ := ev.sizes(len(ev.data))
	e.buf = ev.append(e.buf, size)
	return e.keep(mark)
}

// begin returns where the group ends without the next event.
func (e *Encoder) begin() (mark int, ok bool) {
	if e.items == MaxItems {
		return 0, false
	}
	mark = len(e.buf)
	if e.enc == JSON && e.items > 0 {
		e.buf = append(e.buf, ',')
	}
	return mark, true
}

// keep counts the event that begins at mark, or takes it back if the group is too long with it.
func (e *Encoder) keep(mark int) bool {
	if !e.fits(mark) {
		e.buf = e.buf[:mark]
		return false
	}
	e.items++
	return true
}

func (e *Encoder) fits(mark int) bool {
	if e.enc != Packed {
		return e.Size() <= e.limit
	}
	if len(e.buf) > MaxUnpacked {
		return false
	}
	for e.Size() > e.limit {
		switch {
		case e.items == 0 && e.pack.flushed == 0: // alone, it may fit once it is compressed
			e.pack.flush(e.buf)
		case e.items == 0:
			e.pack.reset()
			return false
		case mark-e.pack.flushed >= minFlush:
			e.pack.flush(e.buf[:mark])
		default:
			return false
		}
	}
	return true
}

// Finish ends the group and returns what Reset was given with the group appended. The Encoder needs a Reset then.
func (e *Encoder) Finish() []byte {
	out := e.buf
	switch e.enc {
	case JSON:
		out = append(out, ']')
	case Packed:
		out = appendPacked(e.dst, e.pack.finish(e.buf))
		e.pack.release()
		if cap(e.buf) <= maxKeptPacked {
			e.raw = e.buf
		}
	}
	*e = Encoder{subject: e.subject, raw: e.raw}
	return out
}

// appendAddress appends the escaped Address, and tells how long its function type is.
func appendAddress(b []byte, c *Call) (subject []byte, n int) {
	b = AppendSubject(b, c.Target)
	first := bytes.IndexByte(b, '/')
	return b, first + 1 + bytes.IndexByte(b[first+1:], '/')
}

func (c *Call) clean() {
	c.ID, c.Source, c.Traceparent = validText(c.ID), validText(c.Source), validText(c.Traceparent)
}

func (a *Answer) clean() {
	a.ID, a.Source = validText(a.ID), validText(a.Source)
	if a.Kind == Result {
		return
	}
	a.Message = validText(beginning(a.Message))
}

// beginning is the first MaxMessage bytes of a message. A character that would be cut goes as a whole.
func beginning(message string) string {
	if len(message) <= MaxMessage {
		return message
	}
	message = message[:MaxMessage]
	for i := 1; i < utf8.UTFMax; i++ {
		if utf8.RuneStart(message[MaxMessage-i]) {
			if !utf8.FullRuneInString(message[MaxMessage-i:]) {
				return message[:MaxMessage-i]
			}
			break
		}
	}
	return message
}
