package core

import (
	"fmt"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// FunctionType is the "class" of a function, written namespace/name.
type FunctionType string

// Namespace is the part before the slash.
func (t FunctionType) Namespace() string {
	ns, _, _ := strings.Cut(string(t), "/")
	return ns
}

// Name is the part after the slash.
func (t FunctionType) Name() string {
	_, name, _ := strings.Cut(string(t), "/")
	return name
}

// Address is one logical function: a type and an id. The zero Address stands for "no caller".
type Address struct {
	Type FunctionType
	ID   string
}

// IsZero reports whether a is the absent Address.
func (a Address) IsZero() bool { return a.Type == "" && a.ID == "" }

// String writes the Address as namespace/name/id.
func (a Address) String() string { return string(a.Type) + "/" + a.ID }

// Hash is XXH64 (seed 0) of the id's bytes; its top bits choose the shard.
func (a Address) Hash() uint64 { return xxhash.Sum64String(a.ID) }

// ShardID numbers a range of hashes, from 0.
type ShardID uint32

// WorkerID numbers the workers of all nodes, from 0.
type WorkerID uint32

// NodeID numbers the nodes of one generation, from 0.
type NodeID uint32

// Epoch is the stretch of processing between two checkpoints, from 1.
type Epoch uint64

// Checkpoint is the checkpoint that ends epoch e.
func (e Epoch) Checkpoint() CheckpointID { return CheckpointID(e) }

// CheckpointID numbers checkpoints; checkpoint n ends epoch n. Zero is the empty beginning.
type CheckpointID uint64

// Next is the epoch that begins after checkpoint n.
func (n CheckpointID) Next() Epoch { return Epoch(n + 1) }

// Generation is the control log number of the claim under which a cluster runs.
type Generation uint64

// Seq orders rows of one shard: waiting messages, timers with one due time, outbox records.
type Seq uint64

// Millis is a time of the core or a duration, in milliseconds; times count from the Unix epoch.
type Millis int64

// EndpointID is an endpoint's place in the application's list.
type EndpointID int32

// EgressID is an egress's place in the application's list.
type EgressID int32

// PartitionID is a partition's place in the node's list of ingress partitions. Zero is "no partition".
type PartitionID int32

// ApplicationID identifies an application: 128 bits drawn when it is created. Every id that leaves
// the system is made from it.
type ApplicationID [16]byte

// String writes the id as 32 hexadecimal digits.
func (id ApplicationID) String() string { return fmt.Sprintf("%x", id[:]) }

// Sharding maps ids to shards. Shards is a power of two, fixed when an application is created.
type Sharding struct {
	shards int
	shift  uint
}

// MaxShards is the largest number of shards an application can have.
const MaxShards = 1 << 16

// NewSharding checks that shards is a power of two between 1 and MaxShards.
func NewSharding(shards int) (Sharding, error) {
	if shards < 1 || shards > MaxShards || shards&(shards-1) != 0 {
		return Sharding{}, fmt.Errorf("number of shards %d: must be a power of two from 1 to %d", shards, MaxShards)
	}
	bits := uint(0)
	for 1<<bits < shards {
		bits++
	}
	return Sharding{shards: shards, shift: 64 - bits}, nil
}

// Shards is the number of shards.
func (s Sharding) Shards() int { return s.shards }

// Of is the shard that owns a hash.
func (s Sharding) Of(hash uint64) ShardID {
	return ShardID(hash >> s.shift) //nolint:gosec // below the number of shards; a shift by 64, for one shard, gives 0
}
