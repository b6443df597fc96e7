// Package sim runs a whole cluster from a seed, in one goroutine and in virtual time.
//
// What runs is real: the workers and the coordinator of runtime/core, the control log, segments and bases of
// runtime/checkpoint over a bucket in memory, the stores of runtime/shard over a disk in memory, and what decides which
// shards of a Kinesis stream are read (runtime/ingress/kinesis/lineage). What is played is what lies around them: the
// drivers of runtime/node, the network, clocks, functions, sources, sinks, the stream, and everything that goes wrong
// there. Functions are called through the core's dispatchers, one invocation a request or in groups (group.go), of servers that
// are played. An operator is played too: what is held is tried again or dropped (operator.go), dead letters are put back (redrive.go). Events lie in a queue by time; delays and faults are drawn from the seed, so that a seed always gives the same
// run, and a failure is a number.
//
// The work is random programs (program.go): a message says what the function that gets it does. Functions look
// at once whether what they are given can be (function.go), and when a run has drained, what is committed and
// what has arrived outside is compared with what the programs say (verdict.go).
//
// Always true: nothing but Sim.rng is random, no map is ranged over into the queue, and no clock is read.
package sim
