package stateway

// Batch is one invocation batch, without its encoding: what App.Run takes. It may be used again after Reset.
type Batch struct {
	// Target is the Address to invoke.
	Target Address
	// State holds the stored values. A declared value that is not in the list makes the batch incomplete; one that is
	// in the list with a nil Value is known to be absent.
	State []StateEntry
	// Traceparent is the W3C trace context of the batch, for Context.Traceparent; empty if it has none.
	Traceparent string
	// Messages in order of arrival.
	Messages []Inbound
}

// StateEntry is a stored value: an encoded TypedValue, or nil for none.
type StateEntry struct {
	Name  string
	Value []byte
}

// Inbound is a message for the target.
type Inbound struct {
	// Caller sent the message; HasCaller is false for a message from an ingress.
	Caller    Address
	HasCaller bool
	// Argument is an encoded TypedValue.
	Argument []byte
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	clear(b.State)
	clear(b.Messages)
	*b = Batch{State: b.State[:0], Messages: b.Messages[:0]}
}

// Effects is what a batch led to. It may be used again after Reset, which ends the life of all that it held.
type Effects struct {
	// Missing is not empty when the batch lacked declared values: nothing was run, and the rest is empty.
	Missing []ValueSpec
	// Mutations holds at most one change for each value, in the order of declaration.
	Mutations []Mutation
	// Messages to send at once, in order.
	Messages []Outgoing
	// Delayed sends and cancellations, in order.
	Delayed []Delayed
	// Egress records, in order.
	Egress []EgressRecord

	arena []byte // what Mutation.Value and the Arguments point into
}

// Mutation is a change of one state value: an encoded TypedValue, or nil to remove the value.
type Mutation struct {
	Name  string
	Value []byte
}

// Outgoing is a message to another function. Argument is an encoded TypedValue.
type Outgoing struct {
	Target   Address
	Argument []byte
}

// Delayed is a message to be sent when Millis have passed, or, with Cancel, the cancellation of the one that carries
// Token; all other fields are empty then.
type Delayed struct {
	Millis   int64
	Target   Address
	Argument []byte
	Token    string
	Cancel   bool
}

// EgressRecord is a record for an egress. Argument is an encoded TypedValue.
type EgressRecord struct {
	Egress   EgressID
	Argument []byte
}

// Reset empties the effects and keeps their memory.
func (e *Effects) Reset() {
	clear(e.Missing)
	clear(e.Mutations)
	clear(e.Messages)
	clear(e.Delayed)
	clear(e.Egress)
	*e = Effects{
		Missing: e.Missing[:0], Mutations: e.Mutations[:0], Messages: e.Messages[:0],
		Delayed: e.Delayed[:0], Egress: e.Egress[:0], arena: e.arena[:0],
	}
}

// put encodes p into the arena. Slices handed out before stay valid when the arena moves to a larger block.
func (e *Effects) put(p Payload) ([]byte, error) {
	start := len(e.arena)
	b, err := p.AppendTypedValue(e.arena)
	if err != nil {
		return nil, err
	}
	e.arena = b
	return b[start:len(b):len(b)], nil
}
