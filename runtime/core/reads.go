package core

import "github.com/stateway/stateway/protocol/trace"

// Reads are effects that ask a shard's store for rows; runtime/shard answers each with the event
// named beside it. A store holds exactly what one committed checkpoint holds: what overlays hold
// beyond it is merged in by the core. The driver answers the reads of one shard in any order.

// LoadAddress asks for the rows of an Address and the head of its mailbox; AddressLoaded answers.
type LoadAddress struct {
	Shard   ShardID
	Address Address
	// MailboxCount and MailboxBytes bound the messages that come with it; one always comes if there is one.
	MailboxCount int
	MailboxBytes int64
}

// AddressLoaded answers LoadAddress.
type AddressLoaded struct {
	Shard    ShardID
	Address  Address
	States   []StoredState
	Held     []byte // value of the held row, nil if there is none
	Messages []StoredMessage
	More     bool // the mailbox holds messages behind Messages
	LastSeq  Seq  // of the mailbox's last message, zero if it is empty
}

// StoredState is one state of an Address as its rows hold it.
type StoredState struct {
	Name      string
	Value     Value  // nil if there is none
	Access    Millis // last write or access, if HasAccess
	HasAccess bool
}

// LoadMailbox asks for waiting messages from From on; MailboxLoaded answers.
type LoadMailbox struct {
	Shard   ShardID
	Address Address
	From    Seq // inclusive
	Through Seq // inclusive
	Count   int
	Bytes   int64 // at least one message comes, however large
}

// MailboxLoaded answers LoadMailbox.
type MailboxLoaded struct {
	Shard    ShardID
	Address  Address
	Messages []StoredMessage
	More     bool
}

// FindDedupe asks whether a dedupe id is stored; DedupeFound answers.
type FindDedupe struct {
	Shard   ShardID
	Message *Message // the driver reads Target and Dedupe only
}

// DedupeFound answers FindDedupe.
type DedupeFound struct {
	Shard   ShardID
	Message *Message
	Found   bool
	Until   Millis // when the stored id ends to count
}

// FindTokens asks which timers a sender's cancellation tokens name; TokensFound answers.
type FindTokens struct {
	Shard  ShardID
	Sender Address
	Tokens []string
}

// TokensFound answers FindTokens. Timers has one entry for each token that is stored.
type TokensFound struct {
	Shard  ShardID
	Sender Address
	Timers map[string]TimerKey
}

// ReadTimers asks for the timers behind After; TimersRead answers.
type ReadTimers struct {
	Shard ShardID
	After TimerKey
	Limit int
}

// TimersRead answers ReadTimers, in key order. More means that the store holds timers behind the last.
type TimersRead struct {
	Shard  ShardID
	After  TimerKey
	Timers []TimerRow
	More   bool
}

// ReadOutbox asks for an egress's records behind After; OutboxRead answers.
type ReadOutbox struct {
	Shard  ShardID
	Egress EgressID
	Name   string // of the egress
	After  OutboxKey
	Limit  int
	Bytes  int64
}

// OutboxRead answers ReadOutbox, in key order.
type OutboxRead struct {
	Shard   ShardID
	Egress  EgressID
	Records []OutboxRow
	More    bool
}

// OutboxRow is an egress record as its row holds it.
type OutboxRow struct {
	Key   OutboxKey
	Trace *trace.Context
	Arg   Value
}

// ParseOutboxRow reads a row of TableOutbox; the argument aliases value.
func ParseOutboxRow(key, value []byte) (OutboxRow, error) {
	_, k, err := ParseOutboxKey(key)
	if err != nil {
		return OutboxRow{}, err
	}
	tr, arg, ok := trace.CutPacked(value)
	if !ok {
		return OutboxRow{}, rowError("trace of an egress record", value)
	}
	return OutboxRow{Key: k, Trace: tr, Arg: arg}, nil
}

// ReadBacklog asks which Addresses behind After have waiting messages; BacklogRead answers.
type ReadBacklog struct {
	Shard ShardID
	After []byte // nil, or BacklogRead.Next
	Limit int
}

// BacklogRead answers ReadBacklog. Next is nil when there are no more.
type BacklogRead struct {
	Shard     ShardID
	Addresses []Address
	Next      []byte
}

// ReadExpiring asks for access rows and dedupe ids behind After, for the sweep; ExpiringRead answers.
type ReadExpiring struct {
	Shard ShardID
	After []byte // nil, or ExpiringRead.Next
	Limit int    // rows looked at
}

// ExpiringRead answers ReadExpiring. Next is nil at the end of the shard.
type ExpiringRead struct {
	Shard    ShardID
	Accesses []StoredAccess
	Dedupes  []StoredDedupe
	Next     []byte
}

// StoredAccess is a state's access row.
type StoredAccess struct {
	Address Address
	Name    string
	Access  Millis
}

// StoredDedupe is a dedupe id's row.
type StoredDedupe struct {
	Address Address
	ID      string
	Until   Millis
}

// ReadFailures asks for the first dead letters that a shard keeps; FailuresRead answers.
type ReadFailures struct {
	Shard ShardID
	Limit int
}

// FailuresRead answers ReadFailures, those that end to be kept first, first. More means that there are others behind them.
type FailuresRead struct {
	Shard ShardID
	Rows  []StoredFailure
	More  bool
}

// StoredFailure is the row of a dead letter, without the letter.
type StoredFailure struct {
	Until Millis // when it ends to be kept
	Seq   Seq
	Size  int64 // of the row in bytes
}

// DeadLetterKey names a dead letter in its shard, and orders them: by when they end to be kept, then as they came.
type DeadLetterKey struct {
	Until Millis
	Seq   Seq
}

// LoadFailures asks for dead letters by their keys, to put them back; FailuresLoaded answers.
type LoadFailures struct {
	Shard   ShardID
	Request uint64
	Keys    []DeadLetterKey
	Bytes   int64 // of rows; the first comes however large it is
}

// FailuresLoaded answers LoadFailures: the first of the keys asked for, in their order, as many as Bytes allowed.
type FailuresLoaded struct {
	Shard   ShardID
	Request uint64
	Letters []LoadedLetter
}

// LoadedLetter is what a store holds under a key of LoadFailures.
type LoadedLetter struct {
	Key     DeadLetterKey
	Size    int64 // of the row in bytes; zero if there is none
	Letter  KeptLetter
	Problem string // why the row does not tell the message; empty if it does
}
