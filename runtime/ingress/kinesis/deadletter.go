package kinesis

import (
	"encoding/base64"
	"encoding/json"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

// DeadLetterType is the type of the record that Options.DeadLetter is sent: JSON, with the fields of DeadLetterRecord.
const DeadLetterType = "io.stateway/KinesisDeadLetter"

// DeadLetterRecord is a record of a stream that could not be read, with why.
type DeadLetterRecord struct {
	Stream       string `json:"stream"`
	Shard        string `json:"shard"`
	Sequence     string `json:"sequence"`
	Sub          int    `json:"sub,omitempty"` // place in its aggregate, from 1; none if it is the whole record
	Arrival      int64  `json:"arrival"`       // Unix milliseconds
	PartitionKey string `json:"partitionKey"`
	Reason       string `json:"reason"`
	Data         string `json:"data"` // base64
}

// bad is a record that cannot be read.
type bad struct {
	sequence, partitionKey string
	sub                    int
	arrival                int64
	data                   []byte
	reason                 error
}

func (r *reader) deadLetter(b bad) core.EgressRecord {
	text, err := json.Marshal(DeadLetterRecord{
		Stream: r.stream.name, Shard: r.shard, Sequence: b.sequence, Sub: b.sub, Arrival: b.arrival,
		PartitionKey: b.partitionKey, Reason: b.reason.Error(), Data: base64.StdEncoding.EncodeToString(b.data),
	})
	if err != nil {
		panic("kinesis: a dead letter of texts and numbers does not encode: " + err.Error())
	}
	return core.EgressRecord{Egress: r.in.opts.DeadLetter, Typename: DeadLetterType, Arg: ingress.EncodeValue(DeadLetterType, text)}
}
