package core

// readyLink is an instance's place in its type's list of ready ones.
type readyLink struct{ prev, next *instance }

// readyList lists the ready instances of a type, the one to be served next first.
type readyList struct{ first, last *instance }

func (l *readyList) empty() bool { return l.first == nil }

func (l *readyList) push(in *instance) {
	in.place.prev = l.last
	if l.last == nil {
		l.first = in
	} else {
		l.last.place.next = in
	}
	l.last = in
}

func (l *readyList) remove(in *instance) {
	if in.place.prev == nil {
		l.first = in.place.next
	} else {
		in.place.prev.place.next = in.place.next
	}
	if in.place.next == nil {
		l.last = in.place.prev
	} else {
		in.place.next.place.prev = in.place.prev
	}
	in.place = readyLink{}
}

// enqueue makes an instance one of those that are served in turn.
func (w *Worker) enqueue(in *instance) {
	t := in.typ
	ep := &w.endpoints[t.endpoint]
	in.ready = true
	w.ready++
	ep.waiting++
	t.ready.push(in)
	if !t.queued {
		t.queued = true
		ep.ready.push(t)
	}
}

// dequeue takes an instance out of those. Its type may stay in its endpoint's queue with nothing to serve.
func (w *Worker) dequeue(in *instance) {
	in.typ.ready.remove(in)
	in.ready = false
	w.ready--
	w.endpoints[in.typ.endpoint].waiting--
}
