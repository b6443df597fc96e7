// Package group stands between the core's groups and the bytes of the group protocol, for every endpoint that speaks it.
//
// Always true: what an answer says of an item is refused for that item alone; a second answer to an item, and one to a try that
// is not of the group, has no effect and is counted; texts and values of a response lie in memory of its own, so that
// one short state does not keep the answer to a thousand in memory.
//
// Called by faas/cloudevents and faas/lambda. A Codec belongs to one goroutine at a time.
package group
