// Package egress is the contract between a node and the places that records go to. Each kind is a
// folder below it: playground (HTTP), file, discard, memory (the twin for tests and simulations).
//
// An egress implements Emitter (at least once, records leave as soon as a function has answered),
// Publisher (records leave after the checkpoint that holds them has committed), or both as two
// types. What a record is made of is read by Normalise, so that any kind takes what functions
// already send.
//
// Always true:
//
//  1. A record leaves the outbox only after done or Publish has said so: until then it is a row, and
//     survives whatever dies.
//  2. Validate depends on nothing but its arguments and the options, and has the last word: what it
//     lets through, the egress takes.
//
// Called by runtime/node.
package egress
