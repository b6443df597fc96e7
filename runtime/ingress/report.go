package ingress

import "time"

// Reporter is what an ingress may implement beside Ingress to tell operators how its partitions are doing: in
// `stateway ingress list`, in the detail of /readyz and in the metrics. The node adds what it knows itself: that a partition
// is held, or that its reading failed and why.
type Reporter interface {
	// Report tells of every partition that this process reads or knows to exist, in any order: also of one that has ended,
	// and of one that waits for its parents. It may be called at any time between Open and Close, from any goroutine, and
	// answers from memory, without a call to the outside. Counts begin at zero with Open and never fall.
	Report() []PartitionReport
	// Words puts a position of a partition into words for an operator, such as "after 4967…08, record 3 of its aggregate".
	// It is given what a checkpoint holds, which an older version may have written, and never fails: what it cannot read it
	// calls unreadable.
	Words(position []byte) string
}

// PartitionReport is how one partition is doing.
type PartitionReport struct {
	// Partition is Partition.ID.
	Partition string
	// Stream and Shard name the partition as its service does; they become the labels of metrics.
	Stream, Shard string
	// State is what the driver does with the partition now.
	State PartitionState
	// Reason says in a sentence why State is PartitionHeld or PartitionWaiting, or what slows a partition down that is read, and what to do;
	// else empty.
	Reason string
	// Lag is how far behind its newest record the partition was when it last was read, as its service tells it; negative if
	// that is not known.
	Lag time.Duration
	// Records and Bytes count what was read, repeats after a restore included: records as users wrote them, bytes as they came
	// from the service. Throttles counts refusals for reading too fast.
	Records, Bytes, Throttles uint64
}

// PartitionState is what becomes of a partition now.
type PartitionState string

// The states of a partition.
const (
	PartitionReading PartitionState = "reading" // or about to
	PartitionHeld    PartitionState = "held"    // waits for an operator: see ErrHeld and ErrTruncated
	PartitionWaiting PartitionState = "waiting" // for its parents, whose ends are not committed, or for its stream to be named again
	PartitionEnded   PartitionState = "ended"
)
