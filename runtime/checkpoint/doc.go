// Package checkpoint keeps an application's past in a bucket: segments, bases and the control log.
//
// Always true:
//
//  1. An object never changes once created, and no name is used twice.
//  2. Control log numbers have no gaps. Each is created only if absent, so of two leaders one commits.
//  3. A manifest is appended only after every object that it names; what it names has a checksum.
//  4. Once bytes were tried at a log number, no other bytes are ever tried there, and nothing is
//     collected until it is known whose bytes the number holds.
//  5. Bytes from the bucket give errors that name the object, the place and the reason; never a panic.
//
// Nothing here starts a goroutine unless a parallelism above one is asked for, sleeps, or reads a
// clock or a source of randomness of its own: both are given in Options. So runtime/node and
// runtime/sim run the same code. Called by runtime/node, runtime/sim and the operator's commands.
//
// The formats are drawn in docs/formats.md.
package checkpoint
