// Package file is the egress kind io.stateway.file.v1/egress: one JSON object a line, appended to a file.
//
// An Emitter appends at least once: a record is done when its line was synced. A Publisher appends the
// records of committed checkpoints, exactly once: beside the file, PATH.offsets says where each
// checkpoint ends in it.
//
// Always true of a Publisher:
//
//  1. What the newest complete entry of PATH.offsets covers is in the file, synced, and never changes.
//  2. What lies behind it is of no checkpoint, and is cut off before anything is appended.
//  3. Nobody else appends while this process holds the file's lock.
//
// The bytes of PATH.offsets are drawn in sidecar.go.
package file
