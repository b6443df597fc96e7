package core

import (
	"encoding/binary"

	"github.com/stateway/stateway/protocol/trace"
)

// Value is an encoded io.statefun.sdk.reqreply.TypedValue. The core never looks inside; drivers
// encode and decode it. It must not change once handed to the core.
type Value []byte

// Message is one message to an Address, handed to the core once. The fields above the line are set by whoever makes it and
// do not change afterwards; the rest belongs to the worker that owns the target's shard.
type Message struct {
	Target Address
	Caller Address // zero for a message from an ingress
	Arg    Value
	// Dedupe, if not empty, is the id under which a repeat within the window is dropped.
	Dedupe string
	// Trace is the trace context that came with it; nil if none did. Messages share it.
	Trace *trace.Context
	// Request, if not zero, names who waits for this message to be durable: an Accepted effect
	// tells the epoch whose checkpoint holds it.
	Request RequestID
	// Origin is the partition whose credit the message uses until it is consumed or spilled.
	Origin PartitionID

	row     rowLink // its mailbox row
	hash    uint64
	seq     Seq
	waiting bool // its dedupe id is being looked up
}

// RequestID names a waiting request of an ingress on the node and worker that read it.
type RequestID struct {
	Worker WorkerID
	N      uint64 // zero means nobody waits
}

const messageOverhead = 200 // bytes of a Message beside its texts and argument, for budgets

// Size is the memory that budgets count for the message, in bytes.
func (m *Message) Size() int64 {
	return int64(messageOverhead + len(m.Arg) + len(m.Target.ID) + len(m.Caller.ID) + len(m.Dedupe) + m.Trace.Memory())
}

// StoredMessage is a waiting message as its row holds it.
type StoredMessage struct {
	Seq    Seq
	Caller Address
	Trace  *trace.Context // nil if none
	Arg    Value
}

func (m *Message) appendRow(b *rowBuffer) Row {
	b.key = appendAddressKey(b.key[:0], TableMailbox, m.hash, m.Target)
	b.key = binary.BigEndian.AppendUint64(b.key, uint64(m.seq))
	b.val = appendString(b.val[:0], string(m.Caller.Type))
	b.val = appendString(b.val, m.Caller.ID)
	b.val = m.Trace.AppendPacked(b.val)
	b.val = append(b.val, m.Arg...)
	return Row{Key: b.key, Value: b.val}
}

// ParseStoredMessage reads the value of a mailbox row; the argument aliases value.
func ParseStoredMessage(seq Seq, value []byte) (StoredMessage, error) {
	typ, rest, ok := cutString(value)
	if !ok {
		return StoredMessage{}, rowError("waiting message", value)
	}
	id, rest, ok := cutString(rest)
	if !ok {
		return StoredMessage{}, rowError("waiting message", value)
	}
	tr, rest, ok := trace.CutPacked(rest)
	if !ok {
		return StoredMessage{}, rowError("trace of a waiting message", value)
	}
	return StoredMessage{Seq: seq, Caller: Address{Type: FunctionType(typ), ID: id}, Trace: tr, Arg: rest}, nil
}

// TimerRow is a delayed message as its row holds it.
type TimerRow struct {
	Key    TimerKey
	Sender Address
	Target Address
	Token  string         // cancellation token, empty if none
	Trace  *trace.Context // of the invocation that sent it, nil if none
	Arg    Value
}

// ParseTimerRow reads a row of TableTimer; the argument aliases value.
func ParseTimerRow(key, value []byte) (TimerRow, error) {
	if len(key) != 17 || key[0] != TableTimer {
		return TimerRow{}, rowError("timer key", key)
	}
	k, err := ParseTimerKey(key[1:])
	if err != nil {
		return TimerRow{}, err
	}
	var texts [5]string
	rest, ok := value, false
	for i := range texts {
		if texts[i], rest, ok = cutString(rest); !ok {
			return TimerRow{}, rowError("timer", value)
		}
	}
	tr, rest, ok := trace.CutPacked(rest)
	if !ok {
		return TimerRow{}, rowError("trace of a timer", value)
	}
	return TimerRow{
		Key:    k,
		Sender: Address{Type: FunctionType(texts[0]), ID: texts[1]},
		Target: Address{Type: FunctionType(texts[2]), ID: texts[3]},
		Token:  texts[4],
		Trace:  tr,
		Arg:    rest,
	}, nil
}
