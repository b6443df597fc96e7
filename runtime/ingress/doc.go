// Package ingress is the contract between a node and the places that records come from. Each kind
// is a folder below it: playground (HTTP), generator, memory (the twin for tests and simulations).
//
// Always true:
//
//  1. A position and the messages of its batch enter the same epoch: what a checkpoint holds of a
//     partition is exactly what lies before the position it holds.
//  2. Reading a partition again from a position gives the same records in the same order, for every
//     partition that is not volatile.
//  3. A partition in trouble stops no other one.
//
// Called by runtime/node, which owns positions, credit and the decision which partition is read
// where; drivers own connections and goroutines and decide nothing about checkpoints.
package ingress
