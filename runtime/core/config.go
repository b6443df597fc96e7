package core

import "fmt"

// FailurePolicy is what happens to a message when its tries are used up.
type FailurePolicy uint8

const (
	// Hold keeps the message at the head of its Address, which waits for an operator.
	Hold FailurePolicy = iota
	// DeadLetter sends the message with its error to an egress, and the Address goes on.
	DeadLetter
)

// Endpoint is what a worker knows of an endpoint.
type Endpoint struct {
	Name       string // for operators
	MaxBatch   int    // messages in an invocation batch; zero or less means no limit
	MaxBytes   int64  // of the messages in a batch, beyond its first; zero means 4 MiB
	Window     int    // tries that this worker may have under way at first; zero means 64
	Call       Millis // budget of all tries of a message together; zero means two minutes
	Retry      Retry
	OnFailure  FailurePolicy
	DeadLetter EgressID // if OnFailure is DeadLetter
	Retain     Millis   // how long a dead letter's failure row stays; zero means seven days
}

// Retry is how a failed invocation is tried again.
type Retry struct {
	Initial     Millis  // pause after the first failure; zero means 10
	Max         Millis  // longest pause; zero means 30,000
	Multiplier  float64 // of the pause, after each failure; zero means 2
	Jitter      float64 // part of the pause that is random, 0 to 1
	MaxAttempts int     // tries of a message alone; zero means as many as the budget allows
}

// Egress is what a worker knows of an egress.
type Egress struct {
	Name        string // namespace/name
	AfterCommit bool   // records leave when the checkpoint that holds them has committed
	// Validate says why a value cannot go to the egress; nil accepts everything. It must be pure.
	Validate func(typename string, value Value) error
}

// Application is what functions and egresses there are. It does not change in a generation.
type Application struct {
	Endpoints []Endpoint
	Egresses  []Egress
	// EndpointOf finds the endpoint that serves a function type. It must be pure.
	EndpointOf func(FunctionType) (EndpointID, bool)
}

// WorkerConfig is what a worker is made of.
type WorkerConfig struct {
	ID         WorkerID
	Node       NodeID
	Nodes      []NodeID // all nodes of the generation, this one included
	Generation Generation
	Nonce      uint64
	Sharding   Sharding
	Owners     []WorkerID // of each shard
	App        *Application

	Restored  CheckpointID    // the restore point; the first epoch follows it
	Now       Millis          // the core's time at the restore point
	NextSeq   map[ShardID]Seq // of the shards that have rows at the restore point
	DedupeFor Millis          // the dedupe window; zero means 24 hours

	// Memory bounds waiting messages, overlays and cached state, in bytes; zero means 256 MiB. A quarter may
	// be waiting messages, half of it cached state. What is over the bound for a moment is finished, not refused.
	Memory int64
	// DiskBacklog bounds the waiting messages that lie in the stores only, in bytes; zero means 16 GiB. Beyond it the
	// partitions that feed them stop.
	DiskBacklog int64
	// DeadLetterBytes bounds the dead letters that all shards keep for putting back; zero means 64 MiB. Beyond it the oldest go;
	// each shard gets an equal part, and keeps its newest however large that is.
	DeadLetterBytes int64
	// SweepRows bounds the rows that the sweep of expired state looks at in a second; zero means 2,000.
	SweepRows int
}

const (
	defaultMemory      = 256 << 20
	defaultDiskBacklog = 16 << 30
	defaultDeadLetters = 64 << 20
	defaultSweepRows   = 2000
	defaultDedupe      = Millis(24 * 60 * 60 * 1000)
	defaultCall        = Millis(2 * 60 * 1000)
	defaultMaxBytes    = 4 << 20
	defaultWindow      = 64
	defaultRetain      = Millis(7 * 24 * 60 * 60 * 1000)
)

func (c WorkerConfig) withDefaults() WorkerConfig {
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	if c.DiskBacklog == 0 {
		c.DiskBacklog = defaultDiskBacklog
	}
	if c.DeadLetterBytes == 0 {
		c.DeadLetterBytes = defaultDeadLetters
	}
	if c.SweepRows == 0 {
		c.SweepRows = defaultSweepRows
	}
	if c.DedupeFor == 0 {
		c.DedupeFor = defaultDedupe
	}
	app := *c.App
	app.Endpoints = append([]Endpoint(nil), app.Endpoints...)
	for i := range app.Endpoints {
		app.Endpoints[i] = app.Endpoints[i].withDefaults()
	}
	c.App = &app
	return c
}

func (e Endpoint) withDefaults() Endpoint {
	if e.MaxBytes == 0 {
		e.MaxBytes = defaultMaxBytes
	}
	if e.Window == 0 {
		e.Window = defaultWindow
	}
	if e.Call == 0 {
		e.Call = defaultCall
	}
	if e.Retain == 0 {
		e.Retain = defaultRetain
	}
	e.Retry = e.Retry.WithDefaults()
	return e
}

// WithDefaults fills what is zero.
func (r Retry) WithDefaults() Retry {
	if r.Initial == 0 {
		r.Initial = 10
	}
	if r.Max == 0 {
		r.Max = 30_000
	}
	if r.Multiplier == 0 {
		r.Multiplier = 2
	}
	return r
}

// Pause is the pause after the attempt-th failure in a row (from 1). Random is a number that jitter is drawn from.
func (r Retry) Pause(attempt int, random uint64) Millis {
	pause := float64(r.Initial)
	for i := 1; i < attempt && pause < float64(r.Max); i++ {
		pause *= r.Multiplier
	}
	pause = min(pause, float64(r.Max))
	part := float64(mix(random)>>11) / (1 << 53)
	return Millis(pause * (1 - r.Jitter*part))
}

// mix scrambles a number (the finalizer of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

func (c WorkerConfig) validate() error {
	if len(c.Owners) != c.Sharding.Shards() {
		return fmt.Errorf("worker %d: %d owners for %d shards", c.ID, len(c.Owners), c.Sharding.Shards())
	}
	if len(c.Nodes) == 0 || c.App.EndpointOf == nil {
		return fmt.Errorf("worker %d: without nodes or endpoints", c.ID)
	}
	return nil
}
