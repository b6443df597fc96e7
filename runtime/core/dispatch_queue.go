package core

import "slices"

// invocationQueue is a queue in one growing slice.
type invocationQueue struct {
	items []*Invocation
	head  int
}

func (q *invocationQueue) len() int { return len(q.items) - q.head }

func (q *invocationQueue) push(inv *Invocation) {
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, inv)
}

func (q *invocationQueue) pop() *Invocation {
	inv := q.items[q.head]
	q.items[q.head] = nil
	if q.head++; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return inv
}

// drop removes what gone says.
func (q *invocationQueue) drop(gone func(*Invocation) bool) {
	n := copy(q.items, q.items[q.head:])
	clear(q.items[n:])
	q.items, q.head = slices.DeleteFunc(q.items[:n], gone), 0
}

// struckTry is an invocation that met trouble and waits for its next try.
type struckTry struct {
	due   Millis
	order uint64
	inv   *Invocation
	flight
}

func (s *struckTry) before(o *struckTry) bool {
	return s.due < o.due || (s.due == o.due && s.order < o.order)
}

// struckHeap has the one due first at index 0.
type struckHeap []struckTry

func (h *struckHeap) push(s struckTry) {
	*h = append(*h, s)
	q := *h
	for i := len(q) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q[i].before(&q[parent]) {
			return
		}
		q[i], q[parent] = q[parent], q[i]
		i = parent
	}
}

func (h *struckHeap) pop() struckTry {
	q := *h
	top, n := q[0], len(q)-1
	q[0] = q[n]
	q[n] = struckTry{}
	*h = q[:n]
	h.down(0)
	return top
}

func (h *struckHeap) down(i int) {
	q := *h
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(q); child++ {
			if q[child].before(&q[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		q[i], q[least] = q[least], q[i]
		i = least
	}
}

// drop removes what gone says.
func (h *struckHeap) drop(gone func(*Invocation) bool) {
	*h = slices.DeleteFunc(*h, func(s struckTry) bool { return gone(s.inv) })
	for i := len(*h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}
