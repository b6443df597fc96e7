package core

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Failure is what an operator is told of an Address's failing invocation.
type Failure struct {
	First    Millis   // when the message first failed
	Last     Millis   // when it last failed
	Attempts int      // tries of the message alone
	Reasons  []string // the last few, oldest first
}

// failing is the failure of an instance's head messages, while they are tried again.
type failing struct {
	Failure
	spent Millis // of the call budget, by tries of the first message alone
}

const (
	failureReasons   = 5
	failureReasonLen = 1024 // bytes
)

// note adds a reason; of a long row of equal ones it keeps one.
func (f *Failure) note(now Millis, reason string) {
	if f.First == 0 {
		f.First = now
	}
	f.Last = now
	reason = beginning(reason, failureReasonLen)
	if n := len(f.Reasons); n > 0 && f.Reasons[n-1] == reason {
		return
	}
	if len(f.Reasons) == failureReasons {
		f.Reasons = append(f.Reasons[:0:0], f.Reasons[1:]...)
	}
	f.Reasons = append(f.Reasons, reason)
}

// beginning returns at most n bytes of s, whole letters, in memory of their own if they are not all.
func beginning(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}

// Reason is the newest reason.
func (f *Failure) Reason() string {
	if len(f.Reasons) == 0 {
		return ""
	}
	return f.Reasons[len(f.Reasons)-1]
}

// AppendFailure appends the value of a held row.
func AppendFailure(b []byte, f *Failure) []byte {
	b = appendMillis(b, f.First)
	b = appendMillis(b, f.Last)
	b = binary.AppendUvarint(b, uint64(f.Attempts)) //nolint:gosec // counts up from zero
	b = binary.AppendUvarint(b, uint64(len(f.Reasons)))
	for _, r := range f.Reasons {
		b = appendString(b, r)
	}
	return b
}

// ParseFailure reads the value of a held row.
func ParseFailure(value []byte) (*Failure, error) {
	first, rest, ok1 := cutUint64(value)
	last, rest, ok2 := cutUint64(rest)
	attempts, w1 := binary.Uvarint(rest)
	if !ok1 || !ok2 || w1 <= 0 || attempts > 1<<31 {
		return nil, rowError("failure", value)
	}
	n, w2 := binary.Uvarint(rest[w1:])
	if w2 <= 0 || n > failureReasons {
		return nil, rowError("failure", value)
	}
	f := &Failure{First: Millis(first), Last: Millis(last), Attempts: int(attempts)} //nolint:gosec // checked, two's complement
	rest = rest[w1+w2:]
	for range n {
		var r string
		if r, rest, ok1 = cutString(rest); !ok1 {
			return nil, rowError("failure", value)
		}
		f.Reasons = append(f.Reasons, r)
	}
	if len(rest) != 0 {
		return nil, rowError("failure", value)
	}
	return f, nil
}
