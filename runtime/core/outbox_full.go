package core

import "fmt"

// outboxPatience is how long records may keep invocations from starting before an operator is told, in milliseconds: a queue of an egress that
// only is slow moves in that time.
const outboxPatience = 10_000

// outboxFull watches over a budget for records that stays used up, so that nothing is invoked.
type outboxFull struct {
	since Millis // zero: there is room
	tell  Millis // when the operator is to be told; zero: nothing is to be told, or it was
}

// watchOutbox tells an operator of egresses that take nothing while nothing can be invoked, once until there is room again.
func (w *Worker) watchOutbox() {
	f := &w.outboxFull
	if w.outboxBytes <= w.outboxBudget() {
		*f = outboxFull{}
		return
	}
	if f.since == 0 {
		*f = outboxFull{since: w.now, tell: w.now + outboxPatience}
	}
	if f.tell == 0 || w.now < f.tell {
		return
	}
	f.tell = 0
	most := &w.egresses[0]
	for i := range w.egresses {
		if e := &w.egresses[i]; e.unpublished > most.unpublished {
			most = e
		}
	}
	w.emit(Note{Text: fmt.Sprintf("no function is invoked: records that wait for egresses take all the memory they may have; %d are for egress %s",
		most.unpublished, most.Name)})
}
