// Package kpl reads and writes the aggregated records of the Kinesis Producer Library: one Kinesis record that holds
// many, each with its own partition key.
//
//	┌─────────────┬──────────────────────────────┬───────────────────┐
//	│ f3 89 9a c2 │ protobuf AggregatedRecord    │ MD5 of that       │
//	│ 4           │ 0 or more                    │ 16                │
//	└─────────────┴──────────────────────────────┴───────────────────┘
//	AggregatedRecord  partition_key_table 1 (text, repeated), explicit_hash_key_table 2 (text, repeated), records 3 (repeated)
//	Record            partition_key_index 1, explicit_hash_key_index 2 (optional), data 3, tags 4 (ignored)
//
// It also holds what decides to which shard a record goes: Hash, the 128 bits that a partition key or an explicit hash key stands for.
//
// Always true: nothing here panics on bytes from outside; no data is copied, so what is taken out of an aggregate lives as long as its input;
// what an Aggregator encodes, an Aggregate reads back as it was added.
//
// Called by runtime/ingress/kinesis and runtime/egress/kinesis.
package kpl
