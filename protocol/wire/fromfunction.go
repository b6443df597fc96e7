package wire

// Answer says which alternative of FromFunction is set.
type Answer uint8

// The alternatives of FromFunction.
const (
	AnswerNone       Answer = iota // neither: success without effects
	AnswerResult                   // the batch was run
	AnswerIncomplete               // the batch was not run: states are missing
)

// MutationType is the kind of a Mutation. Other numbers may come from outside.
type MutationType int32

// The kinds of mutation.
const (
	MutationDelete MutationType = 0
	MutationModify MutationType = 1
)

// Mutation is a change to one state.
type Mutation struct {
	Type  MutationType
	Name  string
	Value Embedded
}

// Outgoing is a message to another function.
type Outgoing struct {
	Target   Address
	Argument Embedded
}

// Delayed is a delayed message, or the cancellation of one. Delay is in milliseconds.
type Delayed struct {
	Delay    int64
	Target   Address
	Argument Embedded
	Cancel   bool
	Token    string
}

// EgressMessage is a record for an egress.
type EgressMessage struct {
	Namespace string
	Type      string
	Argument  Embedded
}

// ExpireMode is what starts a state's time anew. Other numbers may come from outside.
type ExpireMode int32

// The modes of expiry.
const (
	ExpireNone        ExpireMode = 0
	ExpireAfterWrite  ExpireMode = 1
	ExpireAfterInvoke ExpireMode = 2
)

// Spec declares one state. A state without expiration_spec, or with an empty one, has ExpireNone.
type Spec struct {
	Name     string
	Mode     ExpireMode
	Millis   int64
	Typename string
}

// Embedded is a TypedValue inside a message: its encoding, and the same parsed. Raw is empty when it was absent.
type Embedded struct {
	Raw    Raw
	Parsed TypedValue
}

// merge reads one more occurrence of the field.
func (e *Embedded) merge(b []byte) error {
	e.Raw = mergeRaw(e.Raw, b)
	return e.Parsed.merge(b)
}

// MaxEntries is how many effects, or missing states, an answer may hold. Each takes up to 200 bytes of memory, and as
// little as two bytes of the answer.
const MaxEntries = 1 << 20

// FromFunction is the answer of a function. The zero value is ready for Parse; parsing again reuses its room.
type FromFunction struct {
	Answer Answer
	// Of AnswerResult:
	Mutations []Mutation
	Messages  []Outgoing
	Delayed   []Delayed
	Egresses  []EgressMessage
	// Of AnswerIncomplete:
	Missing []Spec
}

// Reset empties f and keeps its room.
func (f *FromFunction) Reset() {
	clear(f.Mutations) // hold nothing of the last answer
	clear(f.Messages)
	clear(f.Delayed)
	clear(f.Egresses)
	clear(f.Missing)
	f.Answer = AnswerNone
	f.Mutations, f.Messages, f.Delayed = f.Mutations[:0], f.Messages[:0], f.Delayed[:0]
	f.Egresses, f.Missing = f.Egresses[:0], f.Missing[:0]
}

// choose makes a the set alternative. The one set before, if another, is forgotten.
func (f *FromFunction) choose(a Answer) {
	if f.Answer != a {
		f.Reset()
	}
	f.Answer = a
}

// Parse reads a FromFunction into f, replacing what it held; f aliases b. Only the form is checked: numbers of enums,
// delays and names are as they came; there are at most MaxEntries of them. Its error wraps ErrMalformed.
func (f *FromFunction) Parse(b []byte) error {
	f.Reset()
	s := scanner{rest: b, where: "FromFunction"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		var err error
		switch t {
		case tag(100, wireBytes):
			f.choose(AnswerResult)
			err = f.mergeResult(s.bytes())
		case tag(101, wireBytes):
			f.choose(AnswerIncomplete)
			err = f.mergeIncomplete(s.bytes())
		default:
			s.skip(t)
		}
		if err != nil {
			return err
		}
	}
}

func (f *FromFunction) mergeResult(b []byte) error {
	s := scanner{rest: b, where: "InvocationResponse"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		if len(f.Mutations)+len(f.Messages)+len(f.Delayed)+len(f.Egresses) >= MaxEntries {
			return malformed(s.where, "more than 1048576 effects in one answer")
		}
		var err error
		switch t {
		case tag(1, wireBytes):
			f.Mutations = append(f.Mutations, Mutation{})
			err = f.Mutations[len(f.Mutations)-1].parse(s.bytes())
		case tag(2, wireBytes):
			f.Messages = append(f.Messages, Outgoing{})
			err = f.Messages[len(f.Messages)-1].parse(s.bytes())
		case tag(3, wireBytes):
			f.Delayed = append(f.Delayed, Delayed{})
			err = f.Delayed[len(f.Delayed)-1].parse(s.bytes())
		case tag(4, wireBytes):
			f.Egresses = append(f.Egresses, EgressMessage{})
			err = f.Egresses[len(f.Egresses)-1].parse(s.bytes())
		default:
			s.skip(t)
		}
		if err != nil {
			return err
		}
	}
}

func (f *FromFunction) mergeIncomplete(b []byte) error {
	s := scanner{rest: b, where: "IncompleteInvocationContext"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		if t != tag(1, wireBytes) {
			s.skip(t)
			continue
		}
		if len(f.Missing) >= MaxEntries {
			return malformed(s.where, "more than 1048576 missing states in one answer")
		}
		f.Missing = append(f.Missing, Spec{})
		if err := f.Missing[len(f.Missing)-1].parse(s.bytes()); err != nil {
			return err
		}
	}
}
