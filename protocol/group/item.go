package group

import (
	"errors"
	"fmt"

	"github.com/stateway/stateway/protocol/wire"
)

// Types of the events, each named after the message that it carries.
const (
	typeCall   = "io.stateway.v1.ToFunction"
	typeResult = "io.stateway.v1.FromFunction"
	typeError  = "io.stateway.v1.Error"
)

// Call is one event that asks: one try of one invocation batch of one Address.
type Call struct {
	// ID is unique to the try, over all processes and restores. The answer carries it.
	ID string
	// Source is the application, as a URI reference.
	Source string
	// Target is the Address. Data names it too, and counts.
	Target wire.Address
	// Generation is the reign that the try belongs to.
	Generation uint64
	// Attempt counts the tries of the first message in the batch, from 1.
	Attempt int
	// TimeoutMillis is how long the server has for this item, from the moment it has the group. Zero means no limit.
	TimeoutMillis int64
	// Traceparent is the trace context of W3C, empty if there is none.
	Traceparent string
	// Data is the encoded ToFunction.
	Data []byte
	// Err says why a parsed event cannot be used; then only ID is set, and even that may be empty. It is an *Error.
	Err error
}

// Kind says what an Answer is.
type Kind uint8

// The kinds of answer. A node takes Poison as a failed try of the Address, like status 500 of a plain request; Retry and
// RetryAfter as trouble of the server, in which the Address has no part, like status 503.
const (
	// Result: the batch was run, or needs more states. Data is the FromFunction.
	Result Kind = iota + 1
	// Retry: the batch was not run to its end, for a reason that lies with the server (no time left, it is ending).
	Retry
	// RetryAfter is Retry with the time before which it is of no use.
	RetryAfter
	// Poison: the batch itself failed (its handler returned an error or panicked, nobody serves the type, the request
	// cannot be read).
	Poison
	// Invalid: the event cannot be used; Err says why. Only parsing makes it.
	Invalid
)

// String is the kind's name in the attribute errorkind, and in metrics.
func (k Kind) String() string {
	switch k {
	case Result:
		return "result"
	case Retry:
		return "retry"
	case RetryAfter:
		return "retryafter"
	case Poison:
		return "poison"
	case Invalid:
		return "invalid"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Answer is one event that answers.
type Answer struct {
	// ID is that of the Call which it answers.
	ID string
	// Source is what the server calls itself, as a URI reference.
	Source string
	Kind   Kind
	// RetryAfterMillis is how long not to try again. Only of RetryAfter.
	RetryAfterMillis int64
	// Message says what went wrong, for an operator. Not of Result.
	Message string
	// Data is the encoded FromFunction. Only of Result; empty means no effects.
	Data []byte
	// Encodings that the server knows, for ways without headers. The first answer of a group carries them.
	Encodings Encodings
	// Err says why a parsed event cannot be used. Only of Invalid; it is an *Error.
	Err error
}

// ErrMalformed is what every parse error of this package wraps.
var ErrMalformed = errors.New("malformed group")

// Error says what is wrong with a group, or with one of its events.
type Error struct {
	// Item counts the events from 0. It is -1 if the fault lies outside of them.
	Item int
	// ID of the event, empty if it could not be read.
	ID   string
	What string
}

// Error names the item and what is wrong with it.
func (e *Error) Error() string {
	switch {
	case e.Item < 0:
		return fmt.Sprintf("%v: %s", ErrMalformed, e.What)
	case e.ID == "":
		return fmt.Sprintf("%v: event %d: %s", ErrMalformed, e.Item, e.What)
	}
	return fmt.Sprintf("%v: event %d (%.80q): %s", ErrMalformed, e.Item, e.ID, e.What)
}

// Unwrap is ErrMalformed.
func (e *Error) Unwrap() error { return ErrMalformed }
