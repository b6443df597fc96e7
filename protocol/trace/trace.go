// Package trace reads and writes the W3C trace context: the header traceparent, and the packed form in which rows hold it.
//
// Always true: a Context is valid and does not change, so that any number of messages may share one; nil is no trace
// context, and every function here takes it as that. What is not valid counts as absent, as the recommendation asks: a
// caller's mistake in its tracing never costs a message.
//
// Called by the core, by ingresses and endpoints, and by the SDK.
package trace

// Lengths of a trace context, in bytes.
const (
	// Size is that of a Context in memory.
	Size = 25
	// TextSize is that of a traceparent of version 00.
	TextSize = 55
)

const (
	idEnd     = 16 // of the trace id in a Context; the parent id follows
	parentEnd = 24
	version   = 0 // the one that is written
	// knownFlags are those that version 00 gives a meaning: sampled, and random trace id.
	knownFlags = 0x03
)

// Context is a trace context: trace id, parent id, flags.
type Context [Size]byte

// Parse reads a traceparent. It returns nil if text is not valid. A later version counts as its part that version 00 has, as
// the recommendation says, with the flags that are known.
func Parse(text string) *Context {
	if len(text) < TextSize || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return nil
	}
	var head [1]byte
	var c Context
	if !unhex(head[:], text[:2]) || !unhex(c[:idEnd], text[3:35]) || !unhex(c[idEnd:parentEnd], text[36:52]) || !unhex(c[parentEnd:], text[53:TextSize]) {
		return nil
	}
	switch {
	case head[0] == 0xff || !c.valid():
		return nil
	case head[0] == version && len(text) != TextSize, len(text) > TextSize && text[TextSize] != '-':
		return nil
	case head[0] != version:
		c[parentEnd] &= knownFlags
	}
	return &c
}

// Of reads the values of a header traceparent, or of the attribute of that name: more than one is as good as none.
func Of(values []string) *Context {
	if len(values) != 1 {
		return nil
	}
	return Parse(values[0])
}

// valid reports whether neither id is all zeros.
func (c *Context) valid() bool {
	var zero Context
	return string(c[:idEnd]) != string(zero[:idEnd]) && string(c[idEnd:parentEnd]) != string(zero[:parentEnd-idEnd])
}

// String is the traceparent; empty for nil.
func (c *Context) String() string {
	if c == nil {
		return ""
	}
	var room [TextSize]byte
	return string(c.Append(room[:0]))
}

// Append appends the traceparent, TextSize bytes of ASCII; nothing for nil.
func (c *Context) Append(b []byte) []byte {
	if c == nil {
		return b
	}
	b = append(b, "00-"...)
	b = append(appendHex(b, c[:idEnd]), '-')
	b = append(appendHex(b, c[idEnd:parentEnd]), '-')
	return appendHex(b, c[parentEnd:])
}

// Memory is how much budgets count for c, in bytes.
func (c *Context) Memory() int {
	if c == nil {
		return 0
	}
	return Size
}

// AppendPacked appends the form that CutPacked reads: a byte that is 0 for nil, otherwise 1 and the Context.
func (c *Context) AppendPacked(b []byte) []byte {
	if c == nil {
		return append(b, 0)
	}
	return append(append(b, 1), c[:]...)
}

// CutPacked reads what AppendPacked writes, in memory of its own, and returns what follows. It is not ok if b begins otherwise.
func CutPacked(b []byte) (c *Context, rest []byte, ok bool) {
	switch {
	case len(b) == 0 || b[0] > 1:
		return nil, nil, false
	case b[0] == 0:
		return nil, b[1:], true
	case len(b) < 1+Size:
		return nil, nil, false
	}
	c = new(Context)
	copy(c[:], b[1:])
	return c, b[1+Size:], c.valid()
}

func appendHex(b, bytes []byte) []byte {
	const digits = "0123456789abcdef"
	for _, v := range bytes {
		b = append(b, digits[v>>4], digits[v&15])
	}
	return b
}

// unhex reads two digits for each byte of to. Only lower case is allowed.
func unhex(to []byte, text string) bool {
	for i := range to {
		high, low := digit(text[2*i]), digit(text[2*i+1])
		if high > 15 || low > 15 {
			return false
		}
		to[i] = high<<4 | low
	}
	return true
}

// digit is the value of a hexadecimal digit, above 15 if c is none.
func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
