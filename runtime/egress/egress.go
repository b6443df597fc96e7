package egress

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
)

var (
	// ErrClosed: the egress was closed before the record was known to be outside. The node keeps the
	// record's row; the next process emits it.
	ErrClosed = errors.New("egress closed")
	// ErrRefused: the outside refuses this record for good (too large for the broker, say). The node
	// keeps its row, reports it, and tries again once a minute.
	ErrRefused = errors.New("record refused")
)

// Record is one record on its way out. Its texts and bytes do not change, and may be kept by the
// egress until it has called done or returned from Publish.
type Record struct {
	Shard core.ShardID
	Key   core.OutboxKey // with Shard: which outbox row
	// Generation under which the record is handed over.
	Generation core.Generation

	Typename string // of Value
	Value    []byte // the payload of the TypedValue, not the encoded TypedValue
	// Trace is the trace context of the invocation that made the record, nil if it had none: for egresses that have a place for it.
	Trace *trace.Context
}

// StableID is the same on every try of publishing the record, and of no other record of any
// application: for after-commit egresses only, since a replay may form another record with this key.
func (r *Record) StableID(app core.ApplicationID) string {
	var room [longestID]byte
	return string(r.appendStableID(room[:0], app))
}

// EmissionID is unique to this emission: the same record emitted under another generation has
// another one, and so has whatever a replay forms in its place.
func (r *Record) EmissionID(app core.ApplicationID) string {
	var room [longestID]byte
	id := append(r.appendStableID(room[:0], app), "-g"...)
	return string(strconv.AppendUint(id, uint64(r.Generation), 10))
}

// longestID is at least the length of any id: application, shard, epoch, number and generation.
const longestID = 32 + 1 + 10 + 1 + 20 + 1 + 20 + 2 + 20

// appendStableID writes an id without fmt: there is one for each record with an envelope.
func (r *Record) appendStableID(dst []byte, app core.ApplicationID) []byte {
	dst = hex.AppendEncode(dst, app[:])
	for _, n := range [...]uint64{uint64(r.Shard), uint64(r.Key.Epoch), uint64(r.Key.Seq)} {
		dst = strconv.AppendUint(append(dst, '-'), n, 10)
	}
	return dst
}

// Egress is what all egresses have in common.
type Egress interface {
	// Validate reports why a record could never be delivered. It is called on the path of a response,
	// before its first effect, by any goroutine: it does no I/O and takes no lock for long. An
	// error makes the response a failure of that invocation, and becomes its reason.
	Validate(typename string, value []byte) error

	// Close flushes nothing that was not asked for, answers every open done with ErrClosed, and returns
	// when no done will be called any more. The node calls it after its last Emit or Publish has returned.
	// Calling it again does nothing.
	Close() error
}

// Done tells that recs[from:to] of an Emit are finished: with nil they are durable outside (or
// taken, or counted: whatever the kind promises) and their rows may go; with an error that is not
// known, their rows stay and the node emits them again after a pause (but see ErrClosed, ErrRefused).
// The calls for one Emit cover each accepted index exactly once, in any order. Any goroutine may
// call it, also before Emit has returned; it must not be called with a lock held that Emit takes.
// It does not block.
type Done func(from, to int, err error)

// Emitter is an at-least-once egress.
type Emitter interface {
	Egress

	// Emit takes the first records of recs for as far as the lane's window has room, and returns how
	// many; done will be called for these and for no others. It does not wait for the outside.
	// The node offers the rest again after a done of the same lane, so an egress accepts at least one
	// record of a lane that has none open. The slice recs is the caller's again when Emit returns; the
	// records' contents are not (see Record).
	//
	// Lanes are numbered from 0 to the Lanes of the options less one; the node uses one per worker and
	// calls a lane from one goroutine, lanes in parallel. Records of a lane go out in the order of
	// Emit calls, except for those emitted again.
	Emit(lane int, recs []Record, done Done) int
}

// Publisher is an after-commit egress. Its lanes are independent sequences of checkpoints.
type Publisher interface {
	Egress

	// Lanes is how many lanes there are, constant. The records of shard s belong to lane s mod Lanes;
	// within a checkpoint they are ordered by shard, then by key.
	Lanes() int

	// Published fences whoever published to the lane before this process, and then tells the last
	// checkpoint whose records are all outside; zero if none. The node calls it before its first Publish
	// to a lane of a generation, and skips checkpoints up to and including the answer. An answer above the newest
	// committed checkpoint means that the bucket was put back to an older state: publishing would lose records, so the
	// node refuses to go on. An error means not known: the node asks again after a pause.
	Published(ctx context.Context, lane int) (core.CheckpointID, error)

	// Publish makes all recs of checkpoint n outside, as one, or nothing of them. n rises from call to call
	// of a lane, with gaps where a checkpoint has no records for it; a call with n at or below what is published does
	// nothing and returns nil. One goroutine per lane, lanes in parallel. After an error nothing
	// is known: the node asks Published, then publishes n again with the same records unless it is covered. recs
	// is the caller's again on return.
	Publish(ctx context.Context, lane int, n core.CheckpointID, recs []Record) error
}
