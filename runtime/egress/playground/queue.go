package playground

import (
	"slices"

	"github.com/stateway/stateway/runtime/egress"
)

// entry is one record that waits to be taken.
type entry struct {
	body []byte
	text bool // body is text

	lane  int
	size  int64 // in the lane's window
	done  egress.Done
	index int // for done
}

// finish answers the record's done.
func (e entry) finish(err error) { e.done(e.index, e.index+1, err) }

// queue is first in, first out, except for what comes back.
type queue struct {
	items []entry
	head  int // items before it are gone
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(e entry) { q.items = append(q.items, e) }

func (q *queue) pop() (entry, bool) {
	if q.len() == 0 {
		return entry{}, false
	}
	e := q.items[q.head]
	q.items[q.head] = entry{}
	q.head++
	if q.head > 64 && q.head > len(q.items)/2 {
		q.items = slices.Delete(q.items, 0, q.head)
		q.head = 0
	}
	return e, true
}

// putBack makes e the next to be taken.
func (q *queue) putBack(e entry) {
	if q.head == 0 {
		q.items = slices.Insert(q.items, 0, e)
		return
	}
	q.head--
	q.items[q.head] = e
}
