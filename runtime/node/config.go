package node

import (
	"log/slog"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/ingress"
)

// DefaultMemory is Config.Memory when nothing is said, in bytes.
const DefaultMemory = 512 << 20

// Config is what a node runs.
type Config struct {
	// Data is the data directory: shards and the lock. Required.
	Data string
	// FS is the file system of Data. Nil means that of the machine; tests give one that can crash.
	FS vfs.FS
	// Bucket is the only durable thing. Required.
	Bucket checkpoint.Bucket
	// OpenBucket opens the bucket from which the application was being moved to Bucket when that was interrupted, to see whether
	// it has ended there. Nil: it does not start until the copy was repeated.
	OpenBucket checkpoint.OpenBucket
	// Application names the application in the bucket. Required.
	Application string
	// Shards is fixed when the application is created. Zero means 64, or whatever an existing application has.
	Shards int
	// Workers is the number of worker goroutines. Zero means one per core.
	Workers int
	// CheckpointEvery is the pause between two checkpoints. Zero means one second. Shorter lowers the latency of
	// exactly-once egress and costs one segment and one manifest each time.
	CheckpointEvery time.Duration
	// Lease is how long a node that does not hold the dead one's data directory waits before it takes over. Zero means two seconds.
	Lease time.Duration
	// HaltPatience is how long a halting node waits for functions that still run. Zero means ten seconds. What they were given is
	// invoked again after the next start.
	HaltPatience time.Duration
	// CommitPatience is how long a halting node waits for its last checkpoint. Zero means 15 seconds. If the bucket has not taken it by
	// then, Run returns ErrNotCommitted.
	CommitPatience time.Duration
	// BucketPatience is how long a request to the bucket may take, and a second more for each 128 KiB of its body; then it is given up and
	// tried again. Zero means ten seconds. Less than what the bucket needs for a small object stops everything.
	BucketPatience time.Duration
	// Memory bounds messages, overlays, cached state and block cache, in bytes. Zero means 512 MiB. The process needs
	// about half as much again.
	Memory int64
	// Contact is host:port of the admin server, where another process asks whether this one lives before it takes over. Without
	// it, a standing-still log is enough.
	Contact string
	// Log gets what an operator should know. Nil means slog.Default.
	Log *slog.Logger

	// Module is the fingerprint of what the application consists of.
	Module [32]byte
	// Parts are the endpoints, ingresses and egresses.
	Parts Parts
	// AllowDropped names ingresses, egresses and function types that may be missing from Parts although positions or rows of them exist.
	AllowDropped []string
}

// Parts is what an application consists of.
type Parts struct {
	Endpoints  []Endpoint
	EndpointOf func(core.FunctionType) (core.EndpointID, bool)
	Ingresses  []Ingress
	Egresses   []Egress
}

// Endpoint is where functions are served.
type Endpoint struct {
	Core core.Endpoint
	// Open makes what calls the functions.
	Open func(env CallerEnv) (Caller, error)
}

// CallerEnv is what a Caller gets of the node. Its functions may be called from any goroutine and do not block.
type CallerEnv struct {
	// Application is the application's id.
	Application core.ApplicationID
	// Deliver takes outcomes in batches and keeps nothing of the slice.
	Deliver func([]core.Result)
	// Window tells how many tries all workers together may have under way.
	Window func(limit int)
	// Now is the core's time.
	Now func() core.Millis
	// Check says why an answer cannot be applied. Answers that go past it are refused later, and count as the endpoint's successes.
	Check func(*core.Invocation, *core.Response) error
}

// Caller calls functions.
type Caller interface {
	// Submit takes tries; each comes back as one outcome. It does not block.
	Submit(tries []*core.Invocation)
	// Close gives up what is under way and returns when no outcome will be delivered any more.
	Close()
}

// Ingress is a source of records, by the id that positions are kept under.
type Ingress struct {
	ID   string
	Open func() (ingress.Ingress, error)
}

// Egress is a sink of records. Open returns an egress.Emitter, or an egress.Publisher if Core.AfterCommit is set.
type Egress struct {
	Core core.Egress
	Open func(app core.ApplicationID, lanes int) (egress.Egress, error)
}

func (c Config) withDefaults() Config {
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.CheckpointEvery == 0 {
		c.CheckpointEvery = time.Second
	}
	if c.Lease == 0 {
		c.Lease = 2 * time.Second
	}
	if c.HaltPatience == 0 {
		c.HaltPatience = 10 * time.Second
	}
	if c.CommitPatience == 0 {
		c.CommitPatience = 15 * time.Second
	}
	if c.BucketPatience == 0 {
		c.BucketPatience = 10 * time.Second
	}
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

const defaultShards = 64
