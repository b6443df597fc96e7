package ingress

import (
	"context"
	"errors"

	"github.com/stateway/stateway/runtime/core"
)

// What Read returns beside ctx's error and errors of its own, which the node answers with a pause
// and another Read from the newest position. Drivers wrap them; use errors.Is.
var (
	// ErrEnded: the partition is at its end and every batch of it was put. The node notes the end in
	// the epoch of the last batch or a later one, and reads the partition no more. Once a checkpoint
	// holds the end, it asks for Partitions again, so that children appear.
	ErrEnded = errors.New("partition ended")
	// ErrTruncated: records at and after the position are gone from the history. The node reports it
	// and tries again at a slow pace, as with ErrHeld: skipping is an operator's decision.
	ErrTruncated = errors.New("history truncated")
	// ErrHeld: the partition cannot go on without an operator, as with a record that has no key. The
	// node reports it and tries again at a slow pace.
	ErrHeld = errors.New("partition held")
)

// ErrUnfit is wrapped by what Put returns of a batch that holds a record which its egress does not take, as one that is too long. The same batch
// never passes; nothing of it was taken.
var ErrUnfit = errors.New("not a record that its egress takes")

// What Batch.Ack is told when the messages of a batch will never be in a committed checkpoint, as
// far as this node can know.
var (
	// ErrRolledBack: the batch was undone by a restore. It may be sent again.
	ErrRolledBack = errors.New("rolled back by a restore")
	// ErrStopped: the node stops before the checkpoint was known to be committed. The messages may
	// still have become durable: this is an unknown outcome.
	ErrStopped = errors.New("node stopped before the checkpoint")
)

// Batch is a run of messages of one partition, in its order. It belongs to the node once Put has
// returned nil, with all it points to; before that, and if Put fails, to the driver.
type Batch struct {
	// Position is where reading goes on after this batch; opaque to the node, at most a few hundred
	// bytes. Nil for a volatile partition.
	Position []byte
	// Messages may be empty: a batch that only moves the position, past records that no target wants.
	// Target, Arg and Dedupe are set by the driver, the rest by the node.
	Messages []*core.Message
	// Records go to egresses in the same step as the position: what could not be made a message, as a dead letter. Each
	// names an egress of the application by ns/name, and holds a value that this egress takes; otherwise Put returns
	// ErrUnfit. They are seldom; Ack does not speak of them.
	Records []core.EgressRecord
	// Ack, if not nil, is called exactly once after Put has returned nil or while it returns: with nil
	// when the checkpoint that holds all messages has committed, with ErrRolledBack or ErrStopped when
	// that will not be seen. Any goroutine may call it; it must not block. Somebody waiting makes the
	// checkpoint come early.
	Ack func(err error)
}

// Partition is one ordered run of records within an ingress.
type Partition struct {
	// ID is unique within the ingress and stays the same over restarts.
	ID string
	// Position is where to read from: absolute, so that reading from it later skips nothing that
	// arrived since ("latest" is turned into an offset or a time). Nil for a volatile partition only.
	Position []byte
	// Ended: there is nothing more to read, now or later. It is listed so that it is remembered.
	Ended bool
	// Volatile: nothing can be read twice and nothing about the partition is kept. It exists on each
	// node for itself, and is read there as long as the node serves.
	Volatile bool
}

// Ingress is a source of records. Each kind has an Open that makes one from its options.
//
// The node calls Partitions, then Read for each partition it is given, and Close after every Read
// has returned. Partitions, Read of different partitions, and Committed may run at the same time.
type Ingress interface {
	// Partitions lists all partitions that exist now and may be read. known holds what the last
	// committed checkpoint says: the position and end of each partition. A partition of known
	// comes back as it is (a driver never moves a known position); one that known lacks comes with its absolute start,
	// which the node fixes in a checkpoint before the first Read. A known partition that is missing from
	// the answer is forgotten, and its tombstone with it. A child whose parents' ends are not all in
	// known must not be listed yet.
	//
	// The leader calls it at start, after the end of a partition has committed, and from time to time.
	// An error leaves everything as it was; the node calls again after a pause.
	Partitions(ctx context.Context, known []Partition) ([]Partition, error)

	// Read hands the partition's records to sink from p.Position on, until ctx ends or the partition
	// does. It never returns nil: see ErrEnded and its neighbours. One goroutine per partition; the next
	// Read of a partition begins after the last has returned, from the position that the node then holds,
	// which may be an older one. Read leaves no goroutine behind that would call sink.
	Read(ctx context.Context, p Partition, sink Sink) error

	// Committed tells which positions checkpoint n holds of the partitions that this node reads, for
	// drivers that report them to the outside. Positions of one partition never go back. It must not
	// block; the map and the bytes are not the driver's to keep or change.
	Committed(n core.CheckpointID, positions map[string][]byte)

	// Close stops listening and releases connections. Requests that still wait get their failure.
	// Calling it again does nothing.
	Close() error
}

// Sink takes a partition's batches to the worker that runs it. The node implements it.
type Sink interface {
	// Put hands b over, as a whole or not at all. It blocks while the partition has no credit and
	// returns nil once b belongs to the node; on an error b stays the driver's and Ack is never called.
	// The error is ctx's, ErrUnfit, or ErrStopped when the partition is taken away. A batch is taken
	// when there is any credit left, so that one bigger than the budget gets through; drivers keep
	// batches at or below MaxBatchBytes unless a single record is larger.
	//
	// A partition that is not volatile puts from one goroutine, in order. Volatile partitions may put
	// from several.
	Put(ctx context.Context, b Batch) error
}

// MaxBatchBytes is how large a batch of several records gets at most, by the sum of Message.Size and of the bytes of Batch.Records.
const MaxBatchBytes = 1 << 20
