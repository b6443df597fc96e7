// Package harness runs the real binary from outside: it builds it once, starts, kills and watches processes, waits until a
// node is ready, speaks to its playground ingress and egress, and reads its metrics.
//
// Called by the tests below test/ and by the load tools below bench/. Nothing here knows how the runtime works inside: only
// flags, HTTP, files and signals. The functions that take a testing.TB end the test on an error and, when the test failed,
// show the last output of every process that it started; all others return errors. Safe for concurrent use
// unless a type says otherwise.
package harness
