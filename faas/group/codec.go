package group

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/stateway/stateway/faas/reqreply"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
)

// Asker is what all groups of an endpoint have in common.
type Asker struct {
	// Source is the application, as a URI reference.
	Source string
	// Call is how long a server has for an item whose try has no budget of its own. Zero means no limit.
	Call time.Duration
}

// Source is what an application calls itself in groups.
func Source(id core.ApplicationID) string { return "stateway:" + id.String() }

// Codec encodes groups and decodes their answers. The zero Codec is ready; it keeps room from one use to the next.
type Codec struct {
	items   reqreply.Codec
	encoder group.Encoder
	match   group.Match
	answers []group.Answer
	id      []byte
	data    []byte
	warmth  core.Warmth
}

const (
	roomKept  = 4096 // items; what a larger group took is given back
	readAhead = 64   // items
)

// Encode appends the group to dst. It reports false if the group would have more than limit bytes; then what it returns is of no
// use but as room. Zero means no limit.
func (c *Codec) Encode(enc group.Encoding, a *Asker, g *core.Group, dst []byte, limit int) ([]byte, bool) {
	c.encoder.Reset(enc, dst, limit)
	for i, inv := range g.Items {
		if i%readAhead == 0 {
			c.warmth.Invocations(g.Items[i:min(i+readAhead, len(g.Items))])
		}
		call := a.call(inv)
		c.items.Prepare(inv)
		c.data = c.items.AppendRequest(c.data[:0])
		c.id = appendTry(c.id[:0], inv.Try)
		call.ID, call.Data = string(c.id), c.data
		if !c.encoder.AddCall(&call) {
			return c.encoder.Finish(), false
		}
	}
	return c.encoder.Finish(), true
}

// call is an invocation without its id and its data.
func (a *Asker) call(inv *core.Invocation) group.Call {
	return group.Call{
		Source:        a.Source,
		Target:        wire.Address{Namespace: inv.Target.Type.Namespace(), Type: inv.Target.Type.Name(), ID: inv.Target.ID},
		Generation:    uint64(inv.Try.Generation),
		Attempt:       inv.Attempt,
		TimeoutMillis: a.Budget(inv).Milliseconds(),
		Traceparent:   inv.Trace().String(),
	}
}

// Budget is how long a try may take; zero means no limit.
func (a *Asker) Budget(inv *core.Invocation) time.Duration {
	if inv.Budget > 0 {
		return time.Duration(inv.Budget) * time.Millisecond
	}
	return a.Call
}

// Longest is the longest budget of a group's items; zero means no limit.
func (a *Asker) Longest(g *core.Group) time.Duration {
	longest := time.Duration(0)
	for _, inv := range g.Items {
		b := a.Budget(inv)
		if b == 0 {
			return 0
		}
		longest = max(longest, b)
	}
	return longest
}

// Answer is a group's answer as it was read.
type Answer struct {
	Outcome core.GroupOutcome // of the class GroupAnswered
	// Encodings is what the server has announced in the answer itself; zero if nothing.
	Encodings group.Encodings
	Stray     group.Stray
}

// Decode reads the answer to g and keeps nothing of its bytes. An error means that the group is without an answer.
func (c *Codec) Decode(enc group.Encoding, g *core.Group, body []byte) (Answer, error) {
	var err error
	if c.answers, err = group.ParseAnswers(enc, body, c.answers[:0]); err != nil {
		return Answer{}, fmt.Errorf("read the answer to a group: %w", err)
	}
	c.asked(g)
	a := Answer{Outcome: core.GroupOutcome{Class: core.GroupAnswered, Items: make([]core.Outcome, len(g.Items))}}
	for i := range c.answers {
		answer := &c.answers[i]
		if answer.Encodings != 0 {
			a.Encodings = answer.Encodings
		}
		if n, ok := c.match.Answered(answer.ID); ok {
			a.Outcome.Items[n] = c.outcome(answer)
		}
	}
	a.Stray = c.match.Stray()
	c.rest()
	return a, nil
}

// asked tells the match the ids of the group.
func (c *Codec) asked(g *core.Group) {
	c.match.Reset()
	ids := c.data[:0]
	ends := make([]int, len(g.Items))
	for i, inv := range g.Items {
		ids = appendTry(ids, inv.Try)
		ends[i] = len(ids)
	}
	all, begin := string(ids), 0
	c.data = ids
	for _, end := range ends {
		c.match.Asked(all[begin:end])
		begin = end
	}
}

// rest lets go of what pins an answer's bytes.
func (c *Codec) rest() {
	if cap(c.answers) > roomKept {
		c.answers, c.match = nil, group.Match{}
	}
	clear(c.answers)
	c.match.Reset()
}

const maxRetryAfter = 24 * 60 * 60 * 1000 // milliseconds; nobody waits longer on a server's word

// outcome is what an answer means for its item.
func (c *Codec) outcome(a *group.Answer) core.Outcome {
	switch a.Kind {
	case group.Result:
		r, err := c.items.ParseAnswer(bytes.Clone(a.Data))
		if err != nil {
			return core.Outcome{Class: core.OutcomeFailed, Reason: err.Error(), Answered: true}
		}
		return core.Outcome{Class: core.OutcomeOK, Response: r}
	case group.Retry, group.RetryAfter:
		return core.Outcome{
			Class: core.OutcomeTrouble, Reason: reason("the function asks to be tried again", a.Message),
			RetryAfter: core.Millis(min(max(a.RetryAfterMillis, 0), maxRetryAfter)),
		}
	case group.Poison:
		return core.Outcome{Class: core.OutcomeFailed, Reason: reason("the function failed", a.Message), Answered: true}
	case group.Invalid:
	}
	return core.Outcome{Class: core.OutcomeFailed, Reason: fmt.Sprintf("bad response: %v", a.Err), Answered: true}
}

func reason(what, message string) string {
	if message == "" {
		return what
	}
	return what + ": " + message
}

// appendTry appends what TryID.String returns.
func appendTry(b []byte, t core.TryID) []byte {
	b = append(strconv.AppendUint(b, uint64(t.Generation), 10), '-')
	b = append(strconv.AppendUint(b, t.Nonce, 16), '-')
	b = append(strconv.AppendInt(b, int64(t.Worker), 10), '-')
	return strconv.AppendUint(b, t.N, 10)
}
