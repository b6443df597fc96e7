package core

// readyQueue holds the ready instances of a type, the one to be served next first. An instance that was taken out of its middle leaves a hole,
// a nil; there are never many more of these than instances.
type readyQueue struct {
	fifo[*instance]
	holes    int
	popped   uint64 // since the beginning
	warmedTo uint64 // those before this one, counted since the beginning, were read ahead
}

const fewHoles = 64 // are left where they are

func (q *readyQueue) push(in *instance) {
	in.place = q.popped + uint64(q.len()) //nolint:gosec // not negative
	q.fifo.push(in)
}

// pop takes the first, nil if that is a hole. There must be one.
func (q *readyQueue) pop() *instance {
	q.popped++
	in := q.fifo.pop()
	if in == nil {
		q.holes--
	}
	return in
}

// remove takes an instance out of the middle.
func (q *readyQueue) remove(in *instance) {
	q.items[q.head+int(in.place-q.popped)] = nil //nolint:gosec // it is in the queue
	q.holes++
	if q.holes > fewHoles && 2*q.holes > q.len() {
		q.squeeze()
	}
}

// squeeze closes the holes.
func (q *readyQueue) squeeze() {
	n := 0
	for _, in := range q.items[q.head:] {
		if in != nil {
			in.place = q.popped + uint64(n) //nolint:gosec // not negative
			q.items[n] = in
			n++
		}
	}
	clear(q.items[n:])
	q.items, q.head, q.holes, q.warmedTo = q.items[:n], 0, 0, q.popped
}

// ahead are the next ones, if they were not read ahead yet.
func (q *readyQueue) ahead() []*instance {
	if q.popped < q.warmedTo {
		return nil
	}
	next := q.items[q.head:]
	next = next[:min(readAhead, len(next))]
	q.warmedTo = q.popped + uint64(len(next))
	return next
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
	w.taken(in)
}

// nextReady takes the instance of a type out that is to be served next, nil if there is none.
func (w *Worker) nextReady(t *funcType) *instance {
	for t.ready.len() > 0 {
		w.warmth.instances(t.ready.ahead())
		if in := t.ready.pop(); in != nil {
			w.taken(in)
			return in
		}
	}
	return nil
}

func (w *Worker) taken(in *instance) {
	in.ready = false
	w.ready--
	w.endpoints[in.typ.endpoint].waiting--
}
