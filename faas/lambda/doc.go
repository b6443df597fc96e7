// Package lambda sends groups to AWS Lambda functions: one Invoke, RequestResponse, for each group.
//
// Always true: no payload is larger than Lambda takes, and what does not fit costs no request; a group whose request was not sent is the
// endpoint's trouble, and one whose answer is lost is not, for it may have run; nothing is tried twice but a packed group, once, in
// JSON. docs/protocol.md says what is in the payloads, decision 0020 which error means what.
//
// Called by runtime/application. A Transport is an endpoint.GroupTransport, safe for concurrent use.
package lambda
