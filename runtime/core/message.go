package core

import "sync/atomic"

// Value is an encoded io.statefun.sdk.reqreply.TypedValue. The core never looks inside; drivers
// encode and decode it. It must not change once handed to the core.
type Value []byte

// Message is one message to an Address. The fields above the line are set by whoever makes it and
// do not change afterwards; the rest belongs to the worker that owns the target's shard.
type Message struct {
	Target Address
	Caller Address // zero for a message from an ingress
	Arg    Value
	// Dedupe, if not empty, is the id under which a repeat within the window is dropped.
	Dedupe string
	// Request, if not zero, names who waits for this message to be durable: an Accepted effect
	// tells the epoch whose checkpoint holds it.
	Request RequestID
	// Origin is the partition whose credit the message uses until it is consumed or spilled.
	Origin PartitionID

	hash    uint64
	seq     Seq
	epoch   Epoch         // of the overlay whose mailbox list holds or held the row; 0: no row yet
	onDisk  bool          // the row has reached the shard's store
	waiting bool          // its dedupe id is being looked up
	gone    atomic.Uint64 // epoch in which it was consumed; read by whoever encodes a frozen overlay
	prev    *Message      // neighbours in the overlay's list of mailbox rows
	next    *Message
}

// RequestID names a waiting request of an ingress on the node and worker that read it.
type RequestID struct {
	Worker WorkerID
	N      uint64 // zero means nobody waits
}

const messageOverhead = 160 // bytes of a Message beside its texts and argument, for budgets

// Size is the memory that budgets count for the message, in bytes.
func (m *Message) Size() int64 {
	return int64(messageOverhead + len(m.Arg) + len(m.Target.ID) + len(m.Caller.ID) + len(m.Dedupe))
}

// StoredMessage is a waiting message as its row holds it.
type StoredMessage struct {
	Seq    Seq
	Caller Address
	Arg    Value
}

// appendMessageValue appends the value of a mailbox row: caller and argument.
func appendMessageValue(b []byte, m *Message) []byte {
	b = appendString(b, string(m.Caller.Type))
	b = appendString(b, m.Caller.ID)
	return append(b, m.Arg...)
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
	return StoredMessage{Seq: seq, Caller: Address{Type: FunctionType(typ), ID: id}, Arg: rest}, nil
}

// TimerRow is a delayed message as its row holds it.
type TimerRow struct {
	Key    TimerKey
	Sender Address
	Target Address
	Token  string // cancellation token, empty if none
	Arg    Value
}

// appendTimerValue appends the value of a timer's row.
func appendTimerValue(b []byte, t *TimerRow) []byte {
	b = appendString(b, string(t.Sender.Type))
	b = appendString(b, t.Sender.ID)
	b = appendString(b, string(t.Target.Type))
	b = appendString(b, t.Target.ID)
	b = appendString(b, t.Token)
	return append(b, t.Arg...)
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
	return TimerRow{
		Key:    k,
		Sender: Address{Type: FunctionType(texts[0]), ID: texts[1]},
		Target: Address{Type: FunctionType(texts[2]), ID: texts[3]},
		Token:  texts[4],
		Arg:    rest,
	}, nil
}
