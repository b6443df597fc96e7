package module

import "path/filepath"

// FileEgress writes records as JSON lines.
type FileEgress struct {
	// Path of the file; a relative one is below the node's working directory.
	Path string
	// Delivery is DeliveryAfterCommit unless the file says otherwise.
	Delivery Delivery
}

// Delivery says when records leave.
type Delivery string

// The deliveries of a file egress.
const (
	// DeliveryAtLeastOnce writes at once: after a failure records may stand there twice.
	DeliveryAtLeastOnce Delivery = "at-least-once"
	// DeliveryAfterCommit writes what a committed checkpoint holds; a restore truncates the rest: exactly once.
	DeliveryAfterCommit Delivery = "after-commit"
)

// DiscardEgress counts records and forgets them.
type DiscardEgress struct{}

func (*FileEgress) egress()    {}
func (*DiscardEgress) egress() {}

func (l *loader) fileEgress(kind string, spec *object) {
	e := &FileEgress{Delivery: DeliveryAfterCommit}
	id, at := spec.id()
	if location, n := spec.requiredText("path", "write path: and the file's path"); n != nil {
		path, err := localPath(location)
		if err != nil {
			l.errorf(n.at, "write a path or file:///path", "path: %v", err)
		} else {
			e.Path = filepath.Clean(path)
		}
	}
	if s, n := spec.scalar("delivery"); n != nil &&
		l.oneOf(n, "delivery", s, string(DeliveryAtLeastOnce), string(DeliveryAfterCommit)) {
		e.Delivery = Delivery(s)
	}
	l.addEgress(kind, id, at, e)
}

func (l *loader) discardEgress(kind string, spec *object) {
	id, at := spec.id()
	l.addEgress(kind, id, at, &DiscardEgress{})
}
