package core

import "math"

// onFailed takes a failed try: a batch is split until the bad message stands alone, that one is tried again until its budget
// is used up, and then the endpoint's policy applies.
func (w *Worker) onFailed(in *instance, inv *Invocation, o *Outcome) {
	t, ep := in.typ, &w.endpoints[inv.Endpoint]
	if t.asking == inv {
		t.asking = nil
	}
	if in.fail == nil {
		in.fail = &failing{}
		w.troubled[in] = true
	}
	in.fail.note(w.now, o.Reason)
	t.stats.Failures++
	n := int(in.taken)
	if !o.Answered {
		in.suspects = max(in.suspects, in.taken)
	}
	in.taken, in.asks = 0, 0
	w.track(in)
	if in.dropping {
		w.dropHead(in) // an operator wanted it while it was under way
		return
	}
	if n > 1 {
		in.limit = uint16(min((n+1)/2, math.MaxUint16)) //nolint:gosec // bounded
		pause := ep.Retry.Pause(1, inv.Try.N)
		if o.Final {
			pause = 0
		}
		w.retryIn(in, pause)
		return
	}
	in.limit = 1
	in.fail.Attempts++
	pause := max(ep.Retry.Pause(in.fail.Attempts, inv.Try.N), min(o.RetryAfter, ep.Retry.Max))
	in.fail.spent += o.Took + pause
	if o.Final || in.fail.spent >= ep.Call || (ep.Retry.MaxAttempts > 0 && in.fail.Attempts >= ep.Retry.MaxAttempts) {
		w.giveUp(in, ep)
		return
	}
	w.retryIn(in, pause)
}

// retryIn lets an instance rest.
func (w *Worker) retryIn(in *instance, pause Millis) {
	if pause <= 0 {
		w.offer(in)
		return
	}
	in.retryAt = w.now + pause
	w.retries.push(retry{at: in.retryAt, in: in})
}

// retryDue offers the instances whose rest is over.
func (w *Worker) retryDue() {
	for len(w.retries) > 0 && w.retries[0].at <= w.now {
		r := w.retries.pop()
		if r.in.retryAt == r.at {
			r.in.retryAt = 0
			w.offer(r.in)
		}
	}
}

// succeeded forgets the failures of the messages that were just accepted, and lets batches grow again.
func (w *Worker) succeeded(in *instance) {
	in.asks = 0
	if in.dropping {
		for _, request := range in.drops {
			w.emit(OperatorDone{Request: request, Problem: "the message of " + in.addr.String() + " went through meanwhile"})
		}
		in.drops, in.dropping = nil, false
	}
	if in.fail == nil && in.limit == 0 {
		return
	}
	in.fail = nil
	delete(w.troubled, in)
	if in.limit > 500 {
		in.limit = 0
	}
	in.limit *= 2
}

// giveUp holds the Address, or moves the head message to the dead letters.
func (w *Worker) giveUp(in *instance, ep *endpointState) {
	if ep.OnFailure == DeadLetter {
		w.deadLetter(in, ep)
		return
	}
	f := in.fail.Failure
	in.held = &heldRow{inst: in, held: &f}
	in.shard.put(&in.held.row, in.held, 256)
	in.lastEpoch = w.epoch
	w.emit(Note{Address: in.addr, Text: "held: its head message failed until its tries were used up: " + f.Reason()})
	w.stats.Held++
}

func (w *Worker) restoreHeld(in *instance, value []byte) {
	f, err := ParseFailure(value)
	if err != nil {
		w.emit(Broken{Reason: "held row of " + in.addr.String() + ": " + err.Error()})
		return
	}
	in.held = &heldRow{inst: in, held: f}
	in.fail = &failing{Failure: *f}
	w.troubled[in] = true
	w.stats.Held++
	w.spillInstance(in)
}

// unhold lets a held Address go on.
func (w *Worker) unhold(in *instance) {
	if in.held == nil {
		return
	}
	w.stats.Held--
	row := in.held
	in.held = nil
	in.lastEpoch = w.epoch
	in.shard.erase(&row.row, row)
}

// deadLetter sends the head message with its history to the endpoint's dead letter egress and keeps a failure row.
func (w *Worker) deadLetter(in *instance, ep *endpointState) {
	m, sh := in.mail[0], in.shard
	reason := in.fail.Reason()
	letter, text := w.sendLetter(sh, ep.DeadLetter, m, &in.fail.Failure)
	w.keepLetter(sh, saturate(w.now, ep.Retain), letter)
	w.emit(Note{Address: in.addr, Text: text + ": " + reason})
	w.stats.DeadLetters++
	w.succeeded(in)
	w.consume(in, 1)
	w.offer(in)
}

// sendLetter sends m to a dead letter egress: whole; without its argument if the egress does not take that, as one that is too long; or not at
// all. It returns the letter to keep, which has the argument and says what was not sent, and what was done.
func (w *Worker) sendLetter(sh *shard, to EgressID, m *Message, f *Failure) (letter []byte, text string) {
	letter = encodeDeadLetter(m, f, true)
	whole := encodeValue(DeadLetterType, letter)
	problem := w.refuses(to, whole)
	if problem == nil {
		w.emitRecord(sh, to, whole, m.Trace)
		return letter, "message sent to the dead letters"
	}
	w.stats.DeadLettersUnfit++
	what := "sent to the dead letters without its argument"
	if short := encodeValue(DeadLetterType, encodeDeadLetter(m, f, false)); w.refuses(to, short) == nil {
		w.emitRecord(sh, to, short, m.Trace)
	} else {
		what = "not sent to the dead letters"
	}
	why := beginning(what+", because egress "+w.egresses[to].Name+" does not take it: "+problem.Error(), failureReasonLen)
	f.note(w.now, why)
	return encodeDeadLetter(m, f, true), "message " + why + "; it is kept whole as a failure of the Address"
}

// refuses says why an egress would never take a dead letter; nil if it does.
func (w *Worker) refuses(to EgressID, letter Value) error {
	if validate := w.egresses[to].Validate; validate != nil {
		return validate(DeadLetterType, letter)
	}
	return nil
}

// retry is an instance that rests.
type retry struct {
	at Millis
	in *instance
}

// retryHeap is a binary heap, the earliest first.
type retryHeap []retry

func (h retryHeap) due() Millis {
	if len(h) == 0 {
		return 0
	}
	return h[0].at
}

func (h *retryHeap) push(r retry) {
	*h = append(*h, r)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up].at <= s[i].at {
			return
		}
		s[up], s[i] = s[i], s[up]
		i = up
	}
}

func (h *retryHeap) pop() retry {
	s := *h
	top, last := s[0], len(s)-1
	s[0] = s[last]
	s[last] = retry{}
	s = s[:last]
	*h = s
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(s); c++ {
			if s[c].at < s[least].at {
				least = c
			}
		}
		if least == i {
			return top
		}
		s[least], s[i] = s[i], s[least]
		i = least
	}
}
