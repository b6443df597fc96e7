package core

// Event is something that a worker is told. The answers to reads (reads.go) are events too.
type Event any

// Effect is something that the driver does for a worker. Reads (reads.go) and *Invocation are effects too.
type Effect any

// Events of a worker.
type (
	// Tick tells the time. It never goes back: an earlier one counts as the last.
	Tick struct{ Now Millis }

	// ShardRestored tells that a shard's store holds the restore point and answers reads.
	ShardRestored struct {
		Shard ShardID
		Empty bool // the store holds no row
		Specs map[FunctionType]Specs
		// Letters and LetterBytes are the dead letters that it keeps.
		Letters     int
		LetterBytes int64
		// Egresses are those with records that are not published.
		Egresses []EgressID
	}

	// Records are records of one ingress partition, already routed: they and the position advance together.
	Records struct {
		Partition PartitionID
		Name      string // of the partition, under which the position is kept
		Position  []byte // behind the last record; nil keeps none
		Messages  []*Message
		// Egresses are records that the ingress itself has for egresses, such as the dead letters of what could not be read.
		// Each names an egress of the application and has passed its Validate. Their credit comes back when they are published.
		Egresses []EgressRecord
	}

	// Frame carries messages from one worker to another; it is an effect of the one and an event of the other.
	Frame struct {
		From, To   WorkerID
		Generation Generation
		Seq        uint64 // from 1 in each channel and generation
		Epoch      Epoch
		Messages   []*Message
	}

	// EndOfEpoch tells that every worker of Node has cut epoch Epoch and that its frames of it have arrived.
	EndOfEpoch struct {
		Node  NodeID
		Epoch Epoch
	}

	// Results are outcomes of tries.
	Results struct{ Results []Result }

	// Begin asks for the cut of checkpoint Checkpoint.
	Begin struct{ Checkpoint CheckpointID }

	// Committed tells that a checkpoint is in the control log.
	Committed struct{ Checkpoint CheckpointID }

	// Applied tells that a shard's store now holds a checkpoint that an Apply handed over.
	Applied struct {
		Shard      ShardID
		Checkpoint CheckpointID
	}

	// EgressDone tells that records are published, or taken by whom they are for.
	EgressDone struct{ Records []*OutRecord }

	// Window tells how many tries of an endpoint this worker may have under way.
	Window struct {
		Endpoint EndpointID
		Limit    int
	}

	// CreditShort tells that an ingress partition is held back, and soon stands still or does so already. What holds credit and gets nowhere gives it
	// back, after an early checkpoint if need be.
	CreditShort struct{}

	// Halt asks the worker to start no invocation and fire no timer any more. Halted answers when none is in flight.
	Halt struct{}

	// Resume tries the held message of an Address again. OperatorDone answers.
	Resume struct {
		Request uint64
		Address Address
	}

	// Drop drops the head message of a held or failing Address and goes on. OperatorDone answers.
	Drop struct {
		Request uint64
		Address Address
	}

	// Inspect asks for what a worker knows of an Address, or of all that fail. Inspected answers.
	Inspect struct {
		Request uint64
		Address Address // zero asks for the failing and held ones
		Limit   int
	}

	// Redrive puts messages of dead letters back behind what waits at their Addresses. Each letter is deleted in the epoch in which its message
	// waits again. Redriven answers.
	Redrive struct {
		Request uint64
		Shard   ShardID
		Keys    []DeadLetterKey
	}

	// PressureLimits changes the worker's budgets.
	PressureLimits struct{ Memory int64 }
)

// Effects of a worker.
type (
	// EpochEnded tells that the worker has cut epoch Epoch; frames of it come before.
	EpochEnded struct{ Epoch Epoch }

	// Part is what the worker contributes to a checkpoint; nothing in it changes any more.
	Part struct {
		Worker     WorkerID
		Checkpoint CheckpointID
		Time       Millis // of the core, at the cut
		Overlays   []*Overlay
		Positions  map[string][]byte // of the partitions that moved since the last checkpoint, by name
	}

	// Apply hands a committed overlay over to be written to its shard's store; Applied answers. Of one shard
	// they come in checkpoint order and may be written together. The driver calls Release afterwards.
	Apply struct{ Overlay *Overlay }

	// Emit hands records to an egress in order. Checkpoint is zero for at-least-once; otherwise the records are of that
	// committed checkpoint.
	Emit struct {
		Egress     EgressID
		Checkpoint CheckpointID
		Records    []*OutRecord
	}

	// EmitEnd tells that the worker has handed over every after-commit record up to Checkpoint.
	EmitEnd struct{ Checkpoint CheckpointID }

	// Accepted tells that the message of Request is held by checkpoint Epoch.Checkpoint(), once that commits.
	Accepted struct {
		Request RequestID
		Epoch   Epoch
	}

	// Credit gives an ingress partition back the bytes of messages that were consumed or spilled.
	Credit struct {
		Partition PartitionID
		Bytes     int64
	}

	// Want asks the coordinator for a checkpoint.
	Want struct {
		Why   Wanting
		Epoch Epoch // the one that should end
	}

	// Alarm asks for a Tick at At, instead of at the last Alarm's time.
	Alarm struct{ At Millis }

	// Halted answers Halt.
	Halted struct{}

	// OperatorDone answers Resume and Drop.
	OperatorDone struct {
		Request uint64
		Problem string // empty if it was done
	}

	// Inspected answers Inspect.
	Inspected struct {
		Request   uint64
		Addresses []AddressInfo
	}

	// Redriven answers Redrive: for the first keys, as many as were read at once, what became of them. The others are as they were.
	Redriven struct {
		Request uint64
		Problem string // why nothing was tried; empty if Letters tell
		Letters []RedrivenLetter
	}

	// Broken tells that the worker cannot go on in this generation, and why.
	Broken struct{ Reason string }

	// Note is something that an operator should see in the log; of no Address if Address is empty.
	Note struct {
		Address Address
		Text    string
	}
)

// Wanting is why a worker wants a checkpoint; a higher one is more urgent.
type Wanting uint8

const (
	// WantNothing: nothing moved.
	WantNothing Wanting = iota
	// WantDirty: something moved; at the usual pace.
	WantDirty
	// WantSoon: somebody waits for it, or a budget is reached.
	WantSoon
)

// AddressInfo is what an operator is shown of an Address.
type AddressInfo struct {
	Address  Address
	Status   string // "idle", "waiting", "in flight", "failing", "held", "not in memory"
	Waiting  int    // messages, as far as they are counted
	OnDisk   bool   // more messages wait in the store, nobody knows how many
	Attempts int
	First    Millis
	Last     Millis
	RetryAt  Millis
	Reasons  []string
	States   []string // names of those with a value
}

// RedrivenLetter is what became of a dead letter that was to be put back.
type RedrivenLetter struct {
	Key     DeadLetterKey
	Problem string // why it stays; empty if it was put back
}
