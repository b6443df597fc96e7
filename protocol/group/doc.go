// Package group reads and writes the group protocol: CloudEvents batches in which each event is one invocation batch of
// one Address (a Call), and their Answers. docs/protocol.md says what the bytes mean and what both sides owe each other.
//
// Always true: what is parsed aliases the input, which must not change as long as the result is used; bytes from
// outside give errors, never panics, and never more memory than MaxItems and MaxUnpacked allow; an event that cannot be
// used spoils only itself (its Err says why), unless the batch around it cannot be read; what an Encoder has accepted
// is never longer than its limit. No reflection, and no allocation for an item but those of the caller's slices.
//
// Called by both sides: the endpoints of a node (faas), the SDK (lambda-sdk), and cmd/lambda-adapter. Functions are safe
// for concurrent use; an Encoder belongs to one goroutine at a time.
package group
