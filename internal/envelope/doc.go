// Package envelope carries a stable id in the bytes of a record, for streams whose records have no headers: a consumer that drops
// the ids it has seen gets each record once.
//
// There are two forms: Stateway's own, a few bytes before the payload (drawn in docs/formats.md), and CloudEvents 1.0 as structured
// JSON, which other systems read, too.
//
// Always true: the same arguments give the same bytes; what is encoded decodes to what it was made of; nothing here panics on bytes
// from outside.
//
// Called by runtime/egress/kinesis and runtime/ingress/kinesis.
package envelope
