// Package protocol is the home of the request-reply protocol: the .proto files under proto/, and the Go packages
// generated from them.
//
//   - protocol/reqreply: what runtime and function servers say to each other (ToFunction, FromFunction);
//   - protocol/egress: the Kafka and Kinesis records that functions hand to an egress;
//   - protocol/types: the encodings of the built-in types.
//
// Beside them stand two codecs by hand, for the hot path: protocol/wire (the request-reply messages) and protocol/group
// (many of them in one CloudEvents batch; docs/protocol.md).
//
// Always true: packages, message names and field numbers are those that StateFun 3.3 SDKs use on the wire; a number is
// never reused or moved. `go generate ./protocol/...` writes the Go files anew, with the tool versions of tools/go.mod,
// and gives the same bytes each time.
//
// The generated packages register their messages under the published names, and so does the Go SDK of StateFun: a
// binary that links both fails at start. lambda-sdk therefore reads and writes the wire by itself and links neither.
package protocol

//go:generate go -C .. tool -modfile=tools/go.mod buf lint
//go:generate go -C .. tool -modfile=tools/go.mod buf generate
