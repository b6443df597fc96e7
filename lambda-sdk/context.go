package stateway

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Context is one invocation: who is invoked, by whom, and what it does. It is also the context.Context of the request,
// done when the runtime has given up waiting.
//
// Effects (sends, egress records, state) leave together when the whole batch has succeeded. An effect that is not
// valid fails the invocation, also when the handler returns nil. A Context belongs to the goroutine that the handler
// runs on and may not be used after the handler has returned.
type Context struct {
	context.Context
	run       *run // nil once the batch has ended
	caller    Address
	hasCaller bool
}

// Self returns the Address that is invoked.
func (c *Context) Self() Address { return c.live().self }

// Caller returns the Address that sent the message. It is false for a message that came from an ingress.
func (c *Context) Caller() (Address, bool) { return c.caller, c.hasCaller }

// Traceparent returns the W3C trace context of the batch, as the header traceparent has it; empty if there is none. It is that of the first
// message in the batch that came with one, and what the batch sends inherits it. Stateway passes it on and makes no spans: give it to a tracing
// library as the parent of a span, or write it into the log.
func (c *Context) Traceparent() string { return c.live().traceparent }

// Send sends a message. Messages from one Address to another arrive in the order sent.
func (c *Context) Send(to Address, message Payload) {
	r := c.live()
	arg, err := r.message("send", to, message)
	if err != nil {
		c.fail(err)
		return
	}
	r.out.Messages = append(r.out.Messages, Outgoing{Target: to, Argument: arg})
}

// SendAfter sends a message when delay has passed. The delay is rounded up to milliseconds and is not negative.
func (c *Context) SendAfter(delay time.Duration, to Address, message Payload) {
	c.sendAfter(delay, to, message, "")
}

// SendAfterWithToken is SendAfter for a message that Cancel can take back. The token is not empty and, among the
// messages of this Address that wait, unique; it may be used again after the message was sent or cancelled.
func (c *Context) SendAfterWithToken(delay time.Duration, token string, to Address, message Payload) {
	if err := checkToken(token); err != nil {
		c.fail(fmt.Errorf("send to %s: %w", to, err))
		return
	}
	c.sendAfter(delay, to, message, token)
}

// Cancel takes back the message that this Address sent with the token. A message that is already on its way arrives
// all the same, and an unknown token has no effect.
func (c *Context) Cancel(token string) {
	r := c.live()
	if err := checkToken(token); err != nil {
		c.fail(fmt.Errorf("cancel: %w", err))
		return
	}
	r.out.Delayed = append(r.out.Delayed, Delayed{Token: token, Cancel: true})
}

// Egress hands a record to an egress of the application file. See KafkaRecord, KinesisRecord and PlaygroundRecord; the
// egresses that Stateway adds take any payload.
func (c *Context) Egress(to EgressID, record Payload) {
	r := c.live()
	if _, _, err := splitName(string(to)); err != nil {
		c.fail(fmt.Errorf("egress id %w", err))
		return
	}
	arg, err := r.out.put(record)
	if err != nil {
		c.fail(fmt.Errorf("egress %s: %w", to, err))
		return
	}
	r.out.Egress = append(r.out.Egress, EgressRecord{Egress: to, Argument: arg})
}

func (c *Context) sendAfter(delay time.Duration, to Address, message Payload, token string) {
	r := c.live()
	if delay < 0 {
		c.fail(fmt.Errorf("send to %s: the delay %s is negative", to, delay))
		return
	}
	arg, err := r.message("delayed send", to, message)
	if err != nil {
		c.fail(err)
		return
	}
	r.out.Delayed = append(r.out.Delayed, Delayed{Millis: ceilMillis(delay), Target: to, Argument: arg, Token: token})
}

// live returns the run, or panics: a Context that outlives its handler would write into another invocation.
func (c *Context) live() *run {
	if c.run == nil {
		panic("stateway: a Context was used after its handler had returned")
	}
	return c.run
}

func (c *Context) cell(d *declaration) (*cell, error) {
	return c.live().cell(d)
}

// fail notes why the invocation fails. The first reason counts.
func (c *Context) fail(err error) {
	if r := c.live(); r.err == nil {
		r.err = err
	}
}

func checkToken(token string) error {
	if token == "" {
		return errors.New("a cancellation token must not be empty")
	}
	if !utf8.ValidString(token) {
		return fmt.Errorf("cancellation token %q: %w", token, errNotUTF8)
	}
	return nil
}

func ceilMillis(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d%time.Millisecond != 0 {
		ms++
	}
	return ms
}
