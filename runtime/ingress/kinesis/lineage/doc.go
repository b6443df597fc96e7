// Package lineage decides which shards of a Kinesis stream may be read, and from where: the half of the Kinesis
// ingress that needs no connection. The ingress calls it, and so can a simulation, with shards of its own.
//
// Always true, if every answer of Partitions is handled as runtime/ingress asks (a partition is read only once a
// checkpoint holds its start, and remembered until an answer leaves it out):
//
//  1. A shard is read only when everything before it is settled: each of its parents has an end that a checkpoint
//     holds, lay before the start, or is gone with its records.
//  2. No shard is read twice: an ended one stays a tombstone until the stream lists its children and not it.
//  3. Every record that arrived at or after the start is in exactly one shard that is read, however often the
//     stream was split and merged, and whichever part of a first start was committed before a crash. The start is
//     part of every position (Position.Origin), so that what is found later starts where the rest did.
//
// Functions here are pure: no clock, no I/O, no types of the AWS SDK.
package lineage
