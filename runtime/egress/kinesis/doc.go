// Package kinesis is the egress kind io.statefun.kinesis.v1/egress: records go to Kinesis data streams by PutRecords, at least once
// (Emitter) or after the checkpoint that holds them has committed, with a stable id in each (Publisher).
//
// Both hand rendered records to one sink. It keeps a queue for each hash key of each stream. A call takes the first record of many
// queues (with aggregation: the first records), and a queue that is in a call is in no other one. So:
//
//  1. Of one partition key (or explicit hash key) nothing is overtaken: not by a retry, not by a record that Kinesis took from the
//     same call although it refused an earlier one. What the stream shows first of each record is in order.
//  2. A record is done when Kinesis has answered with its sequence number. What is not known is tried again, so it may be there twice.
//  3. A throttled shard waits by itself: calls leave it out until its time.
//  4. Memory is bounded by the lanes' windows (Emitter) or by one checkpoint (Publisher); no goroutine is left after Close.
//
// The price of 1 without aggregation: one key goes out at one record a round trip. See docs/decisions/0014.
//
// Called by runtime/application and runtime/node.
package kinesis
