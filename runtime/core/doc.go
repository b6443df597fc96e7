// Package core is the heart of Stateway: the worker, coordinator and dispatcher state machines.
//
// A machine takes one event at a time and appends effects, in the order in which the driver must
// perform them. It has no goroutine, clock, network or disk: time comes in with events, and what an
// effect leads to comes back as a later event. The same events always give the same effects, so one
// core runs in production (runtime/node), in scripts (testdata) and in a whole simulated cluster
// (runtime/sim).
//
// Always true:
//
//  1. An Address has at most one accepted try at a time, and its messages are consumed in the order
//     in which they entered its mailbox.
//  2. What an invocation changes is applied in one step, after all of it was validated.
//  3. A frozen overlay never changes except for the rows that were in a channel at the cut, and not
//     at all once it is part of a Part.
//  4. Messages between functions are never refused. A worker over its budget stops starting
//     invocations and firing timers; it never stops receiving or cutting.
//
// A machine is not safe for concurrent use: each belongs to one goroutine.
package core
