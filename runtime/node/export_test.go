package node

import (
	"errors"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
)

var errKilled = errors.New("killed by a test")

// Kill ends what runs as kill -9 would, as far as that goes within a process: nothing is halted, committed or flushed any more.
// It reports whether there was something to end.
func (n *Node) Kill() bool {
	g := n.generation()
	if g != nil {
		g.fail(errKilled)
	}
	return g != nil
}

// NewPatient makes a bucket whose calls end in time, as that of a node.
func NewPatient(under checkpoint.Bucket, small time.Duration) checkpoint.Bucket {
	return newPatient(under, small)
}
