// Package group stands between the core's groups and the bytes of the group protocol, for every endpoint that speaks it.
//
// Always true: what an answer says of an item is refused for that item alone; a second answer to an item, and one to a try that
// is not of the group, has no effect and is counted; texts and values of a response alias the answer's bytes, or memory of its own.
//
// Called by faas/cloudevents and faas/lambda. A Codec belongs to one goroutine at a time.
package group
