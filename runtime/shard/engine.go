package shard

import (
	"io"

	"github.com/stateway/stateway/runtime/core"
)

// disk is where a Set keeps its shards. Calls for different shards may come concurrently.
type disk interface {
	// load opens what lies on the disk of a shard; errNone if there is nothing.
	load(id core.ShardID, w *watch) (engine, error)
	// create makes an empty database for a shard that has none.
	create(id core.ShardID, w *watch) (engine, error)
	// stage makes room for the files of a base.
	stage(id core.ShardID) (staging, error)
	// remove deletes what lies on the disk of a shard; nothing may have it open.
	remove(id core.ShardID) error
	// mark notes that a shard's files are damaged; load fails from then on.
	mark(id core.ShardID, why error)
	metrics() Metrics
	close() error
}

// staging takes the files of a base. One of promote and abort ends it.
type staging interface {
	create(name string) (io.WriteCloser, error)
	// promote makes the files the shard's database and opens it.
	promote(w *watch) (engine, error)
	abort() error
}

// engine is the database of one shard. Cursors are used concurrently with one batch at a time.
type engine interface {
	// cursor sees every batch committed before. It goes back through release.
	cursor() (cursor, error)
	release(c cursor)
	batch() batch
	// flush returns when everything committed is durable.
	flush() error
	// export makes a copy of what is committed; no batch is committed meanwhile.
	export() (*Base, error)
	metrics() Metrics
	// close frees everything, without flushing.
	close() error
}

// cursor walks the rows in the order of their keys. Key and value are valid until it moves.
type cursor interface {
	// SeekPrefix moves to the first key at or behind key; this and the Nexts that follow
	// show only keys with the prefix (see prefixLen) of key.
	SeekPrefix(key []byte) bool
	SeekGE(key []byte) bool
	SeekLT(key []byte) bool
	Next() bool
	Key() []byte
	Value() ([]byte, error)
	// Err says why the last move returned false, if not for the end of the rows.
	Err() error
}

// batch collects changes and makes them visible at once. One of commit and discard ends it.
type batch interface {
	set(key, value []byte) error
	remove(key []byte) error
	commit() error
	discard()
}
