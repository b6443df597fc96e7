package node

import "errors"

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
