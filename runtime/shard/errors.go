package shard

import "errors"

var (
	// ErrStore means that the storage below a Store failed: nothing can be read or written any more, and
	// the node must end. The text says what happened.
	ErrStore = errors.New("shard store failed")

	// ErrLocked means that another process, or another Set of this one, has the data directory.
	ErrLocked = errors.New("data directory is in use")

	// ErrClosed means that the Store or the Set was closed or deleted.
	ErrClosed = errors.New("shard store is closed")

	// ErrBase means that the files given to Restore are not the base that they should be.
	ErrBase = errors.New("not a usable base")

	errNone = errors.New("no such shard on disk")
)
