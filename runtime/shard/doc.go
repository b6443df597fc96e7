// Package shard keeps the rows of a node's shards: one store per shard, over Pebble or in memory.
//
// Always true:
//
//  1. A Store holds exactly the rows of one committed checkpoint, whose number, lineage and next
//     sequence number were written in the same batch. There is no write-ahead log: after a crash it
//     holds an earlier committed checkpoint, and never a part of one.
//  2. A shard without rows has no database. Reads of it are answered all the same.
//  3. What a read returns belongs to the caller and aliases nothing of the store.
//  4. Whatever goes wrong below a Store is an ErrStore: the Store answers nothing any more, and the node
//     must end. Files known to be damaged are marked, so that the next start fetches the shard instead.
//
// A Set is the data directory of one node, which it locks. Open gives the Store of a shard: with what
// lies on the disk if Usable says so, otherwise empty. An empty Store is filled by Restore, from the
// files of a base, and then, like any other, by Commit: once for each checkpoint or for several at once.
//
// # Formats
//
// The rows are those of runtime/core. Their order is that of their bytes. The comparer is named
// "stateway.rows.v1": its split ends the prefix of a key behind the Address in the tables of Addresses,
// dedupe ids and mailboxes, so that one Bloom filter entry stands for all rows of an Address; in other
// tables the whole key is the prefix. Keys that begin with a zero byte belong to the store: 0 'm' holds
// the Meta, 0 't' followed by a function type says that rows of the type were written since the store was
// created. Format numbers all of this, PebbleFormat what Pebble makes of it.
//
// Called by runtime/node, runtime/checkpoint's driver and runtime/sim. Everything is safe for concurrent use;
// Restore and Commit of one Store exclude each other.
package shard
