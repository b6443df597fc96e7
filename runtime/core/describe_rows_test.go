package core

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/stateway/stateway/protocol/trace"
)

// describeRow writes a row for people.
func describeRow(r Row) string {
	verb := "put"
	if r.Delete {
		verb = "delete"
	}
	return verb + " " + describeKey(r) + describeValue(r)
}

func describeKey(r Row) string {
	switch r.Key[0] {
	case TableTimer:
		k := must(ParseTimerKey(r.Key[1:]))
		return fmt.Sprintf("timer %d/%d", k.Due, k.Seq)
	case TableOutbox:
		egress, k, err := ParseOutboxKey(r.Key)
		if err != nil {
			panic(err)
		}
		return fmt.Sprintf("outbox %s %d/%d", egress, k.Epoch, k.Seq)
	case TableSpecs:
		return "specs " + string(r.Key[1:])
	case TableFailure:
		return "failure " + fmt.Sprint(must(ParseMillis(r.Key[1:9])))
	}
	a, rest, err := CutAddressKey(r.Key)
	if err != nil {
		panic(err)
	}
	switch r.Key[0] {
	case TableMailbox:
		return fmt.Sprintf("mail %s #%d", a, must(CutSeq(rest)))
	case TableDedupe:
		return fmt.Sprintf("dedupe %s %s", a, rest)
	}
	table := map[byte]string{SubHeld: "held", SubState: "state", SubAccess: "access", SubToken: "token"}[rest[0]]
	return strings.TrimRight(fmt.Sprintf("%s %s %s", table, a, rest[1:]), " ")
}

func describeValue(r Row) string {
	if r.Delete {
		return ""
	}
	switch r.Key[0] {
	case TableTimer:
		t := must(ParseTimerRow(r.Key, r.Value))
		return fmt.Sprintf(" %s -> %s %q token=%s", t.Sender, t.Target, shorten(t.Arg), t.Token) + describeTrace(t.Trace)
	case TableOutbox:
		o := must(ParseOutboxRow(r.Key, r.Value))
		return fmt.Sprintf(" %q", shorten(o.Arg)) + describeTrace(o.Trace)
	case TableSpecs:
		s := must(ParseSpecs(r.Value))
		return fmt.Sprintf(" learned=%d %v", s.Learned, s.States)
	case TableFailure:
		return fmt.Sprintf(" %d bytes", len(r.Value))
	case TableMailbox:
		m := must(ParseStoredMessage(0, r.Value))
		if !m.Caller.IsZero() {
			return fmt.Sprintf(" %q from %s", shorten(m.Arg), m.Caller) + describeTrace(m.Trace)
		}
		return fmt.Sprintf(" %q", shorten(m.Arg)) + describeTrace(m.Trace)
	case TableDedupe:
		return fmt.Sprintf(" until=%d", must(ParseMillis(r.Value)))
	}
	return describeAddressValue(r)
}

func describeAddressValue(r Row) string {
	_, rest, _ := CutAddressKey(r.Key)
	switch rest[0] {
	case SubHeld:
		f := must(ParseFailure(r.Value))
		return fmt.Sprintf(" attempts=%d first=%d last=%d %q", f.Attempts, f.First, f.Last, f.Reasons)
	case SubAccess:
		return fmt.Sprintf(" at=%d", must(ParseMillis(r.Value)))
	case SubToken:
		k := must(ParseTimerKey(r.Value))
		return fmt.Sprintf(" -> %d/%d", k.Due, k.Seq)
	}
	return fmt.Sprintf(" %q", shorten(r.Value))
}

// describeTrace tells a trace context by its parent id, which is a small number in scripts.
func describeTrace(c *trace.Context) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf(" trace=%d", binary.BigEndian.Uint64(c[16:]))
}

// testTrace is the trace context that describeTrace calls n.
func testTrace(n uint64) *trace.Context {
	return trace.Parse(fmt.Sprintf("00-%032x-%016x-01", n+1000, n))
}

func shorten(b []byte) string {
	if len(b) > 24 {
		return fmt.Sprintf("%s..(%d)", b[:8], len(b))
	}
	return string(b)
}
