// Package node runs the core on one machine: worker loops, the coordinator, loaders, the control log, ingresses and egresses.
//
// It decides nothing that the core decides. A worker loop takes events, steps the core and performs its effects; what is slow
// (reads of shards, encoding, uploads, commits to stores, functions, egresses) happens on other goroutines and comes back
// as events. Always true:
//
//  1. One goroutine steps one worker, and it never waits for anything but its own inbox.
//  2. Frames between two workers arrive in the order sent, and before the end of their epoch is told.
//  3. Nothing is restored or run before a claim has won in the control log, and nothing is committed after a
//     step-down.
//  4. Whoever starts a goroutine waits for it: Run returns when all have ended.
//
// Called by cmd/cluster and by Go programs that embed the runtime.
package node
