// Package kinesis is an ingress that reads Amazon Kinesis data streams: a partition is a shard, its position lies in
// the checkpoint, and there is no table of leases beside it.
//
// Always true:
//
//  1. A shard is read only when the ends of its parents are committed, so that records of one key come in order through
//     every split and merge; package lineage decides it.
//  2. A position says what is done to the record, also in the middle of an aggregate of the Kinesis Producer Library. What
//     lies before it is in the checkpoint that holds it, and nothing else is.
//  3. What Kinesis loses (records older than the stream's retention) is noticed: reading stops with ErrTruncated, or goes
//     on with a warning if the options accept it.
//  4. Memory is bounded by Options.BufferBytes and one answer of Kinesis more for each call under way; a shard without
//     credit holds one answer, and gives it up when others want the memory. Aggregates
//     are taken apart record by record; where their keys lie takes twice their size at most, which counts, too.
//
// What Read does with a record: take an aggregate apart, drop what is done or belongs to another shard, decode the
// envelope, find the key, route, and put in batches. A record that cannot be read is bad: see OnInvalid.
//
// Called by runtime/node through ingress.Ingress and ingress.Reporter.
package kinesis
