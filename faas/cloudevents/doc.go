// Package cloudevents sends groups of invocations over HTTP as CloudEvents batches: to Knative services, to servers of the Go SDK, to
// any server that announces the group protocol (docs/protocol.md).
//
// Always true: a server gets a group only after an answer of its own has announced that it takes them, and until then one plain
// invocation a request; a group is answered once, unless the transport is closed first; what a server sends costs no more memory
// than the payload limit.
//
// Called by runtime/application through faas/endpoint. A Transport is safe for concurrent use. Connections are those of faas/http.
package cloudevents
