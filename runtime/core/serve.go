package core

import "slices"

// offer puts an instance into its type's ready queue if it has something to do and nothing in flight.
func (w *Worker) offer(in *instance) {
	if in.ready || !in.startable(w.now) {
		return
	}
	w.enqueue(in)
}

// startable reports whether the instance may be served now.
func (in *instance) startable(now Millis) bool {
	if in.load != loaded || in.inflight != nil || in.parked != nil || in.fetching || in.typ.endpoint < 0 {
		return false
	}
	if (in.held != nil || in.retryAt > now) && !in.dropping {
		return false
	}
	if len(in.mail) > 0 {
		return !in.mail[0].waiting
	}
	return in.disk.from != 0
}

// serve starts invocations of ready instances while windows and budgets allow, round-robin over endpoints and over the function types of
// each. What it costs does not depend on how many types there are.
func (w *Worker) serve() {
	if w.halting {
		return
	}
	w.scanBacklog()
	idle := 0
	for idle < len(w.endpoints) && w.mayStart() {
		if w.next >= len(w.endpoints) {
			w.next = 0
		}
		ep := &w.endpoints[w.next]
		w.next++
		if ep.ready.len() == 0 || !w.mayTake(ep) || !w.serveType(ep.ready.pop()) {
			idle++
			continue
		}
		idle = 0
	}
}

// serveType serves one instance of a type that was taken from its endpoint's queue. It says no if that has to wait for memory.
func (w *Worker) serveType(t *funcType) bool {
	in := w.nextReady(t)
	if t.queued = t.ready.len() > 0; t.queued {
		w.endpoints[t.endpoint].ready.push(t)
	}
	if in == nil { // it was forgotten
		return true
	}
	if in.startable(w.now) && !w.start(in) {
		w.offer(in)
		return false
	}
	return true
}

// start serves one instance: it reads its mailbox back, drops its head message, or invokes it. It says no if as many
// mailboxes are being read as memory has room for.
func (w *Worker) start(in *instance) bool {
	switch {
	case len(in.mail) == 0 && w.fetches > 0 && w.fetches >= w.mailBudget()/(2*loadBytes):
		return false
	case len(in.mail) == 0:
		w.fetch(in)
	case in.dropping:
		w.dropHead(in)
	default:
		w.invoke(in)
	}
	return true
}

// invoke sends a batch of the waiting messages to the function.
func (w *Worker) invoke(in *instance) {
	t := in.typ
	ep := &w.endpoints[t.endpoint]
	n, bytes := w.batch(in, ep)
	mem := w.memory.forBytes(bytes + in.bytes)
	inv := mem.invocation(n)
	w.tries++
	inv.Try = TryID{Generation: w.cfg.Generation, Nonce: w.cfg.Nonce, Worker: w.cfg.ID, N: w.tries}
	inv.Endpoint, inv.Target, inv.inst, inv.specs = t.endpoint, in.addr, in, t.specs
	copy(inv.Messages, in.mail[:n])
	inv.Attempt, inv.Budget = 1, ep.Call
	inv.Alone = in.suspects > 0
	if in.fail != nil {
		inv.Attempt = in.fail.Attempts + 1
		inv.Budget = max(1, ep.Call-in.fail.spent)
	}
	if !t.asked && t.asking == nil {
		t.asking = inv
	} else {
		inv.States = w.states(in, mem.values(len(t.specs)))
	}
	in.taken, in.inflight, in.used = int32(n), inv, true //nolint:gosec // of messages in memory
	in.retryAt = 0
	ep.inflight++
	ep.called = w.epoch
	w.track(in)
	w.stats.Tries++
	w.emit(inv)
}

// batch is how many of the waiting messages the next try takes, and their size.
func (w *Worker) batch(in *instance, ep *endpointState) (n int, bytes int64) {
	limit := len(in.mail)
	if ep.MaxBatch > 0 {
		limit = min(limit, ep.MaxBatch)
	}
	if in.limit > 0 {
		limit = min(limit, int(in.limit))
	}
	for n, m := range in.mail[:limit] {
		more := bytes + m.Size()
		if n > 0 && (m.waiting || more > ep.MaxBytes) {
			return n, bytes
		}
		bytes = more
	}
	return limit, bytes
}

// states are the values of the states that the type is known to have, without those whose time is over.
func (w *Worker) states(in *instance, states []NamedValue) []NamedValue {
	specs := in.typ.specs
	for i := range specs {
		spec := &specs[i]
		states[i].Name = spec.Name
		s := in.slot(spec.Name)
		if s == nil {
			continue
		}
		if spec.Mode != ExpireNever && s.val != nil {
			w.renew(in, s, spec)
		}
		states[i].Value = s.val
	}
	return states
}

// renew deletes a value whose time is over and notes the access of one that lives from access to access. A value
// that had no time to live when it was written lives from now on.
func (w *Worker) renew(in *instance, s *slot, spec *StateSpec) {
	switch {
	case s.access == 0:
		in.setAccess(s, w.now)
	case spec.over(s.access, w.now):
		in.expire(s)
	case spec.Mode == ExpireAfterInvoke:
		in.setAccess(s, w.now)
	}
}

func (w *Worker) onResults(ev Results) {
	for some := range slices.Chunk(ev.Results, readAhead) {
		w.warmResults(some)
		for i := range some {
			w.onResult(&some[i])
		}
	}
}

// onResult takes the outcome of a try. One that was given up, or was answered before, is not in flight: it is dropped.
func (w *Worker) onResult(r *Result) {
	inv := r.Invocation
	in := inv.inst
	if in == nil || in.shard.w != w || (in.inflight != inv && planted != applyTwice) {
		w.stats.Stale++
		return
	}
	in.inflight = nil
	w.endpoints[inv.Endpoint].inflight--
	if r.Outcome.Class != OutcomeOK || r.Outcome.Response == nil {
		w.onFailed(in, inv, &r.Outcome)
		return
	}
	w.onResponse(in, inv, r.Outcome.Response, r.Outcome.Took)
}

func (w *Worker) onResponse(in *instance, inv *Invocation, resp *Response, took Millis) {
	var err error
	if resp.Incomplete {
		err = w.learn(in, inv, resp.Missing)
	} else {
		err = w.validate(in, inv, resp)
	}
	switch {
	case err != nil:
		w.onFailed(in, inv, &Outcome{Class: OutcomeFailed, Reason: err.Error(), Took: took, Answered: true})
	case resp.Incomplete:
		in.taken = 0
		w.track(in)
		w.offer(in)
	case w.needsTokens(in, resp):
		w.park(in, inv, resp, took)
	default:
		w.applyChecked(in, inv, resp, took)
	}
}
