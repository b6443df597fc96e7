// Package s3bucket is a bucket in Amazon S3, or in a store that speaks its protocol and honours conditional writes.
//
// Always true:
//
//  1. An object is written with If-None-Match: *, so that of several processes one wins. 412 is final. Each Create marks its object
//     with random bits of its own: after a lost answer they tell whether what is there now is ours.
//  2. Every body is sent with a checksum that was computed here, and what is read whole is checked against what the store kept.
//  3. Every attempt of a request has a timeout by its size. What may go better is tried again, with jitter, until the context or the
//     patience ends; what will not (no such bucket, no permission, wrong region) is a SetupError that says what to do.
//  4. Nothing is concluded from an absence in a list.
//
// The SDK's own retries are off: it would repeat a create without telling that an earlier attempt may have arrived.
//
// Called by cmd/cluster, which passes the Bucket to runtime/node and to the commands. Safe for concurrent use.
package s3bucket
