package core

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/protocol/wire"
)

// DeadLetterType is the type of the record that a dead letter egress is sent: JSON, with the fields of DeadLetterRecord.
const DeadLetterType = "io.stateway/DeadLetter"

// DeadLetterRecord is a message that was given up, with why. Failure rows hold it too, so that fields are added and never change their
// meaning; a reader passes over those that it does not know.
type DeadLetterRecord struct {
	Address  string   `json:"address"`
	Caller   string   `json:"caller,omitempty"`
	Typename string   `json:"typename,omitempty"` // of the argument; rows of older versions lack it
	Argument string   `json:"argument"`           // base64 of the encoded TypedValue
	Size     int      `json:"size,omitempty"`     // bytes of an argument that is left out, because the egress takes no letter that long; only there
	Trace    string   `json:"traceparent,omitempty"`
	Attempts int      `json:"attempts"`
	First    int64    `json:"firstFailure"` // Unix milliseconds
	Last     int64    `json:"lastFailure"`
	Reasons  []string `json:"reasons"`
}

// encodeDeadLetter makes the letter of a message, with its argument if whole.
func encodeDeadLetter(m *Message, f *Failure, whole bool) []byte {
	r := DeadLetterRecord{
		Address: m.Target.String(), Typename: typenameOf(m.Arg), Trace: m.Trace.String(), Size: len(m.Arg),
		Attempts: f.Attempts, First: int64(f.First), Last: int64(f.Last), Reasons: f.Reasons,
	}
	if whole {
		r.Argument, r.Size = base64.StdEncoding.EncodeToString(m.Arg), 0
	}
	if !m.Caller.IsZero() {
		r.Caller = m.Caller.String()
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic("core: a dead letter of texts and numbers does not encode: " + err.Error())
	}
	return b
}

// typenameOf is the type of a message for people; empty if it has none.
func typenameOf(arg Value) string {
	v, err := wire.ParseTypedValue(arg)
	if err != nil {
		return ""
	}
	return v.Typename
}

// KeptLetter is a dead letter as its failure row tells it: the message that was given up, and why.
type KeptLetter struct {
	Failure
	Target   Address
	Caller   Address // zero for a message from an ingress
	Typename string  // of Arg, empty if it has none
	Arg      Value
	Trace    *trace.Context // of the message, nil if it had none
}

// ParseDeadLetter reads the value of a failure row. Its error, which wraps ErrRow, says what is missing for putting the message back; what is
// known of the letter comes with it.
func ParseDeadLetter(value []byte) (KeptLetter, error) {
	r := struct {
		DeadLetterRecord
		Argument *string `json:"argument"` // tells an empty one from none
	}{}
	if err := json.Unmarshal(value, &r); err != nil {
		return KeptLetter{}, fmt.Errorf("%w: dead letter: %w", errRow, err)
	}
	d := KeptLetter{
		Failure:  Failure{First: Millis(r.First), Last: Millis(r.Last), Attempts: r.Attempts, Reasons: r.Reasons},
		Typename: r.Typename, Trace: trace.Parse(r.Trace),
	}
	var ok bool
	if d.Target, ok = cutAddress(r.Address); !ok {
		return d, fmt.Errorf("%w: dead letter: address %q is not namespace/name/id", errRow, r.Address)
	}
	if r.Caller != "" {
		if d.Caller, ok = cutAddress(r.Caller); !ok {
			return d, fmt.Errorf("%w: dead letter: caller %q is not namespace/name/id", errRow, r.Caller)
		}
	}
	if r.Argument == nil {
		return d, fmt.Errorf("%w: dead letter: it does not hold the message itself", errRow)
	}
	arg, err := base64.StdEncoding.DecodeString(*r.Argument)
	if err != nil {
		return d, fmt.Errorf("%w: dead letter: argument: %w", errRow, err)
	}
	d.Arg = arg
	if d.Typename == "" {
		d.Typename = typenameOf(d.Arg)
	}
	return d, nil
}

// cutAddress reads an Address as its String writes it: neither namespace nor name holds a slash.
func cutAddress(s string) (Address, bool) {
	namespace, rest, _ := strings.Cut(s, "/")
	name, id, found := strings.Cut(rest, "/")
	return Address{Type: FunctionType(namespace + "/" + name), ID: id}, found
}

// encodeValue encodes a TypedValue: typename 1, has_value 2, value 3.
func encodeValue(typename string, value []byte) Value {
	b := make([]byte, 0, len(typename)+len(value)+16)
	b = append(b, 1<<3|2)
	b = appendString(b, typename)
	b = append(b, 2<<3, 1, 3<<3|2)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}
