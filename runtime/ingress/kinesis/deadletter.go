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
	Data         string `json:"data"`           // base64
	Size         int    `json:"size,omitempty"` // bytes of the record whose data is left out, because the egress takes no letter that long
}

// maxReason is how much of a reason is told, in bytes: it may quote what it complains about.
const maxReason = 1 << 10

// bad is a record that cannot be read.
type bad struct {
	sequence, partitionKey string
	sub                    int
	arrival                int64
	data                   []byte
	reason                 error
}

// letter is what becomes of b. Its data is set if whole.
func (r *reader) letter(b bad, whole bool) core.EgressRecord {
	reason := b.reason.Error()
	if len(reason) > maxReason {
		reason = reason[:maxReason] + " …"
	}
	l := DeadLetterRecord{
		Stream: r.stream.name, Shard: r.shard, Sequence: b.sequence, Sub: b.sub, Arrival: b.arrival,
		PartitionKey: b.partitionKey, Reason: reason, Size: len(b.data),
	}
	if whole {
		l.Data, l.Size = base64.StdEncoding.EncodeToString(b.data), 0
	}
	text, err := json.Marshal(l)
	if err != nil {
		panic("kinesis: a dead letter of texts and numbers does not encode: " + err.Error())
	}
	return core.EgressRecord{Egress: r.in.opts.DeadLetter, Typename: DeadLetterType, Arg: ingress.EncodeValue(DeadLetterType, text)}
}

// shorten leaves the data out of the longest letter that has it. It is false if none has any.
func (r *reader) shorten() bool {
	longest := -1
	for i, b := range r.whole {
		if len(b.data) > 0 && (longest < 0 || len(b.data) > len(r.whole[longest].data)) {
			longest = i
		}
	}
	if longest < 0 {
		return false
	}
	r.letters[longest] = r.letter(r.whole[longest], false)
	r.whole[longest].data = nil
	return true
}
