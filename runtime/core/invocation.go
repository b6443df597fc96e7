package core

import (
	"fmt"

	"github.com/stateway/stateway/protocol/trace"
)

// TryID identifies one try of one invocation, over all processes and restores.
type TryID struct {
	Generation Generation
	Nonce      uint64 // of the process
	Worker     WorkerID
	N          uint64
}

// String writes the id as it appears in logs.
func (t TryID) String() string {
	return fmt.Sprintf("%d-%x-%d-%d", t.Generation, t.Nonce, t.Worker, t.N)
}

// NamedValue is a state with its value, nil if it has none.
type NamedValue struct {
	Name  string
	Value Value
}

// Invocation is one try of an invocation batch: an Address, its state and the messages that waited.
// Whoever holds it may read it until the worker has taken its outcome; nobody changes it.
type Invocation struct {
	Try      TryID
	Endpoint EndpointID
	Target   Address
	States   []NamedValue // the states known of the type, in declaration order
	Messages []*Message   // at least one
	Attempt  int          // from 1, of the first message
	// Budget is how long this try may take at most, in milliseconds; zero means the endpoint's own limit.
	Budget Millis
	// Alone means that an earlier try of some of these messages ended without an answer of its own: in a group, the next one might take others with it.
	Alone bool

	place int32       // of the Dispatcher that sends it: see flights
	inst  *instance   // of the worker that made it
	specs []StateSpec // known of the type when it was made; nobody changes them
}

// Trace is the trace context of the batch: that of its first message that has one; nil if none has. What the invocation
// leads to inherits it.
func (inv *Invocation) Trace() *trace.Context {
	for _, m := range inv.Messages {
		if m.Trace != nil {
			return m.Trace
		}
	}
	return nil
}

// OutcomeClass tells what became of a try.
type OutcomeClass uint8

const (
	// OutcomeOK: the answer is valid as far as it can be told without the application.
	OutcomeOK OutcomeClass = iota
	// OutcomeTrouble: the endpoint's trouble (no connection, 429, 502, 503, 504). Tried again for ever.
	OutcomeTrouble
	// OutcomeFailed: any other invalid answer; this Address's own failure.
	OutcomeFailed
)

// String is the class as a metrics label.
func (c OutcomeClass) String() string {
	switch c {
	case OutcomeOK:
		return "ok"
	case OutcomeTrouble:
		return "trouble"
	case OutcomeFailed:
		return "failed"
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// Outcome is what a try led to.
type Outcome struct {
	Class      OutcomeClass
	Response   *Response // set if Class is OutcomeOK
	Reason     string    // what went wrong, for an operator; empty if OutcomeOK
	RetryAfter Millis    // what the server asked for; zero if it did not
	Final      bool      // of OutcomeFailed: another try of the same messages would fail as well
	Answered   bool      // of OutcomeFailed: an answer says so of this very try, so that the next one may travel with others
	Took       Millis    // of the call budget: the time of the try itself, without waiting for the endpoint
}

// Response is a decoded FromFunction. Its texts and values alias the answer's bytes, which nobody changes.
type Response struct {
	// Incomplete means that the function did not run, for it needs the states of Missing.
	Incomplete bool
	Missing    []StateSpec

	Messages  []Outgoing
	Delayed   []Delayed
	Egresses  []EgressRecord
	Mutations []Mutation

	checked bool // by a Checker
}

// Outgoing is a message that a function sends.
type Outgoing struct {
	Target Address
	Arg    Value
}

// Delayed is a delayed message, or the cancellation of one.
type Delayed struct {
	Cancel bool
	Token  string // empty if none
	Delay  Millis
	Target Address
	Arg    Value
}

// EgressRecord is a record for an egress.
type EgressRecord struct {
	Egress   string // namespace/name
	Typename string // of Arg
	Arg      Value
}

// Mutation changes one state.
type Mutation struct {
	Name     string
	Delete   bool
	Typename string // of Value
	Value    Value
}
