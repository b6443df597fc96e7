package core

import "slices"

const reliefEvery = Millis(1000) // between two looks at how long messages have waited

// relief finds the messages that hold credit while nothing becomes of them. Credit bounds what an ingress has in memory;
// without relief an Address that fails, hangs or is slow would end up with all the credit of the partitions that feed it, and so stop
// everybody else whom they feed.
type relief struct {
	at    Millis // of the next look at everything that waits; zero while nothing does
	epoch Epoch  // the open one at the last such look
	short bool   // a partition is short of credit: look now
}

// relieve moves messages out of memory, and gives their credit back, whose rows are in the store and whose Address fails or whose
// endpoint answers nothing; and, while the worker has an endpoint free and nothing for it, all that have waited from one
// look at everything to the next. While all endpoints are busy and answer, what waits keeps its credit: then the ingresses are held back, as
// nobody would gain by their going on.
func (w *Worker) relieve() {
	r := &w.relief
	short := r.short
	r.short = false
	switch {
	case w.now < r.at && (!short || w.waitlist.first == nil):
		return
	case w.waitlist.first == nil || w.halting:
		r.at = 0
		return
	case r.at == 0:
		r.at, r.epoch = w.now+reliefEvery, w.epoch
		return
	}
	whole := w.now >= r.at
	if whole {
		w.seeWhoAnswers()
	}
	stuck := w.relieveAll(whole && w.Starving())
	if whole {
		r.at, r.epoch = w.now+reliefEvery, w.epoch
	}
	if short && stuck {
		w.hurry() // what is not stored cannot be moved
	}
}

// relieveAll looks through all that waits; old says that what has waited for long gives way too. It reports whether
// anything that is stuck still holds credit: it is not stored.
func (w *Worker) relieveAll(old bool) bool {
	stuck := false
	for in := w.waitlist.first; in != nil; {
		next := in.waiting.next
		switch {
		case in.fail != nil || in.held != nil || w.stands(in.typ.endpoint):
			w.relieveInstance(in, w.epoch)
			stuck = stuck || in.holdsCredit()
		case old:
			w.relieveInstance(in, w.relief.epoch)
		}
		in = next
	}
	return stuck
}

// holdsCredit reports whether a waiting message uses credit of its partition.
func (in *instance) holdsCredit() bool {
	uses := func(m *Message) bool { return m.Origin != 0 }
	return slices.ContainsFunc(in.mail, uses) || slices.ContainsFunc(in.behind, uses)
}

// seeWhoAnswers notes which endpoints have had an accepted answer since it was called last. One that has not, and is let take no more tries for
// fear of large answers, is feared less: those under way may hang.
func (w *Worker) seeWhoAnswers() {
	for i := range w.endpoints {
		ep := &w.endpoints[i]
		ep.stands = ep.answered == ep.answeredBefore
		ep.answeredBefore = ep.answered
		if ep.stands && ep.inflight < ep.limit && !w.mayTake(ep) {
			ep.expectedAnswer -= ep.expectedAnswer / 5
		}
	}
}

// stands reports whether an endpoint answers nothing.
func (w *Worker) stands(id EndpointID) bool { return id < 0 || w.endpoints[id].stands }

// relieveInstance moves those of an instance's waiting messages out of memory that hold credit, are stored and are of an epoch before the
// given one. Those without credit stay: they may have been read back from the store for the next try. Those of the try in flight stay too, but
// give their credit back: there are no more of them than the endpoint's window has room for.
func (w *Worker) relieveInstance(in *instance, before Epoch) {
	if !in.spillable() {
		return
	}
	for _, m := range in.mail[:in.storedPrefix(in.mail[:in.taken], before)] {
		w.release(m)
	}
	if in.disk.from == 0 {
		first := int(in.taken)
		for first < len(in.mail) && in.mail[first].Origin == 0 {
			first++
		}
		n := in.storedPrefix(in.mail[first:], before)
		if n == 0 {
			return
		}
		tail := in.mail[first : first+n]
		in.disk = diskTail{from: tail[0].seq, through: tail[n-1].seq}
		in.behind = append([]*Message(nil), in.mail[first+n:]...)
		w.toDisk(in, tail)
		in.mail = append([]*Message(nil), in.mail[:first]...)
	}
	w.spillBehind(in, before)
}

// Starving reports whether an endpoint could take more than the worker has for it: one that was called in this epoch or the last
// two has room and no Address that is ready, or no Address is ready at all. A worker without shards does not starve.
func (w *Worker) Starving() bool {
	if w.ready == 0 {
		return len(w.owned) > 0
	}
	for i := range w.endpoints {
		ep := &w.endpoints[i]
		if ep.called > 0 && ep.called+2 >= w.epoch && ep.waiting == 0 && ep.inflight < ep.limit {
			return true
		}
	}
	return false
}
