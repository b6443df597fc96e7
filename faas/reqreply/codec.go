package reqreply

import (
	"fmt"

	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
)

// Error is the class "response": the bytes are no valid answer of a function.
type Error struct {
	What string
	Err  error // nil, or what the decoder found
}

// Error says what is wrong with the answer.
func (e *Error) Error() string {
	if e.Err == nil {
		return "bad response: " + e.What
	}
	return fmt.Sprintf("bad response: %s: %v", e.What, e.Err)
}

// Unwrap is the decoder's error.
func (e *Error) Unwrap() error { return e.Err }

func refuse(format string, args ...any) error { return &Error{What: fmt.Sprintf(format, args...)} }

// Codec encodes requests and decodes answers. The zero Codec is ready; it keeps room and names from one use to the
// next, and belongs to one goroutine at a time.
type Codec struct {
	to    wire.ToFunction
	from  wire.FromFunction
	names names
}

const roomKept = 4096 // entries of a batch; a larger one's room is given back

// Prepare takes inv and returns the length of its request in bytes; AppendRequest writes it.
func (c *Codec) Prepare(inv *core.Invocation) int {
	if cap(c.to.Invocations) > roomKept {
		c.to = wire.ToFunction{}
	}
	c.to.Reset()
	c.to.Target = address(inv.Target)
	for i := range inv.States {
		st := &inv.States[i]
		c.to.States = append(c.to.States, wire.State{Name: st.Name, Value: st.Value})
	}
	for _, m := range inv.Messages {
		in := wire.Invocation{Argument: m.Arg, HasCaller: !m.Caller.IsZero()}
		if in.HasCaller {
			in.Caller = address(m.Caller)
		}
		c.to.Invocations = append(c.to.Invocations, in)
	}
	return c.to.Size()
}

// Measure is what Prepare returns, of an invocation that is not written.
func (c *Codec) Measure(inv *core.Invocation) int {
	defer c.to.Reset()
	return c.Prepare(inv)
}

// AppendRequest appends the ToFunction that Prepare took, and lets go of it.
func (c *Codec) AppendRequest(b []byte) []byte {
	b = c.to.Append(b)
	c.to.Reset() // a codec that waits for its next use pins no values
	return b
}

func address(a core.Address) wire.Address {
	return wire.Address{Namespace: a.Type.Namespace(), Type: a.Type.Name(), ID: a.ID}
}

// answer is a response with room for what most answers hold, so that it is one allocation.
type answer struct {
	core.Response
	messages  [1]core.Outgoing
	egresses  [1]core.EgressRecord
	mutations [1]core.Mutation
}

// ParseAnswer reads a FromFunction; an empty body means no effects. body belongs to the response from then on and must
// not change. The error is an *Error.
func (c *Codec) ParseAnswer(body []byte) (*core.Response, error) {
	if err := c.from.Parse(body); err != nil {
		return nil, &Error{What: "not a FromFunction", Err: err}
	}
	r := new(answer)
	var err error
	switch c.from.Answer {
	case wire.AnswerNone:
	case wire.AnswerResult:
		err = c.result(r)
	case wire.AnswerIncomplete:
		r.Incomplete = true
		err = c.missing(&r.Response)
	}
	c.from.Reset()
	if cap(c.from.Messages)+cap(c.from.Mutations)+cap(c.from.Egresses)+cap(c.from.Delayed) > roomKept {
		c.from = wire.FromFunction{}
	}
	if err != nil {
		return nil, err
	}
	return &r.Response, nil
}

// result converts an InvocationResponse.
func (c *Codec) result(r *answer) error {
	if err := c.messages(r); err != nil {
		return err
	}
	if err := c.delayed(&r.Response); err != nil {
		return err
	}
	if err := c.egresses(r); err != nil {
		return err
	}
	return c.mutations(r)
}

// room returns an empty slice for n elements: of the one that is there if it suffices.
func room[T any](one []T, n int) []T {
	if n <= len(one) {
		return one[:0:n]
	}
	return make([]T, 0, n)
}
