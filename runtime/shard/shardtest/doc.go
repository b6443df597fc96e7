// Package shardtest is the conformance suite of runtime/shard: what holds of stores over Pebble holds of those in memory.
package shardtest
