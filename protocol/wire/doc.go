// Package wire reads and writes the request-reply protocol by hand: ToFunction, FromFunction and TypedValue,
// without reflection and, once its structs have grown, without allocation.
//
// Always true: what is parsed aliases the input, which must not change as long as the result is used; bytes from
// outside give errors, never panics; the reading follows protobuf to the letter (unknown fields are skipped, the last
// of a repeated scalar wins, repeated occurrences of an embedded message merge, the last alternative of a oneof wins).
// It imports no generated code and registers nothing, so that an SDK may use it beside another's generated code.
package wire
