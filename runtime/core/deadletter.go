package core

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
)

// DeadLetterType is the type of the record that a dead letter egress is sent: JSON, with the fields of DeadLetterRecord.
const DeadLetterType = "io.stateway/DeadLetter"

// DeadLetterRecord is a message that was given up, with why.
type DeadLetterRecord struct {
	Address  string   `json:"address"`
	Caller   string   `json:"caller,omitempty"`
	Argument string   `json:"argument"` // base64 of the encoded TypedValue
	Attempts int      `json:"attempts"`
	First    int64    `json:"firstFailure"` // Unix milliseconds
	Last     int64    `json:"lastFailure"`
	Reasons  []string `json:"reasons"`
}

func encodeDeadLetter(m *Message, f *Failure) []byte {
	r := DeadLetterRecord{
		Address: m.Target.String(), Argument: base64.StdEncoding.EncodeToString(m.Arg),
		Attempts: f.Attempts, First: int64(f.First), Last: int64(f.Last), Reasons: f.Reasons,
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

// encodeValue encodes a TypedValue: typename 1, has_value 2, value 3.
func encodeValue(typename string, value []byte) Value {
	b := make([]byte, 0, len(typename)+len(value)+16)
	b = append(b, 1<<3|2)
	b = appendString(b, typename)
	b = append(b, 2<<3, 1, 3<<3|2)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}
