// Package kinesistest is Amazon Kinesis Data Streams in memory, for tests: streams of shards with hash ranges, splits,
// merges and their lineage, iterators that expire, retention, quotas, enhanced fan-out. Answers and errors have the
// types of the AWS SDK, and the service's rules as its documentation has them.
//
// Always true: time is Options.Now alone, so that under testing/synctest hours pass at once; sequence numbers rise
// within a shard and say which shard of which stream they are of; what was put stays until the retention has passed.
//
// Called by tests of runtime/ingress/kinesis and runtime/egress/kinesis. Safe for concurrent use.
package kinesistest
