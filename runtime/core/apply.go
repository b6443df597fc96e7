package core

// unsetType is the type of a state that was declared without one.
const unsetType = "io.statefun.types/unset"

// validate refuses a response before its first effect: a target, egress or state that does not exist, a value of another
// type, a delay below zero.
func (w *Worker) validate(in *instance, inv *Invocation, resp *Response) error {
	if err := w.checker.Check(inv, resp); err != nil {
		return err
	}
	for i := range resp.Mutations {
		if err := validMutation(in.typ, inv, &resp.Mutations[i]); err != nil {
			return err
		}
	}
	return nil
}

func validMutation(t *funcType, inv *Invocation, m *Mutation) error {
	spec := t.spec(m.Name)
	if spec == nil || !inv.carries(m.Name) {
		return undeclared(m.Name)
	}
	return rightType(spec, m)
}

// apply applies a validated response in one step: messages, delayed messages, egress records, states; then the batch is consumed.
func (w *Worker) apply(in *instance, inv *Invocation, resp *Response) {
	if inv == in.typ.asking {
		w.replaceSpecs(in.typ, nil) // it was given no state and asked for none
	}
	sh, tr := in.shard, inv.Trace()
	for i := range resp.Messages {
		m := &resp.Messages[i]
		w.send(&Message{Target: m.Target, Caller: in.addr, Arg: m.Arg, Trace: tr})
	}
	for i := range resp.Delayed {
		w.applyDelayed(in, &resp.Delayed[i], tr)
	}
	for i := range resp.Egresses {
		r := &resp.Egresses[i]
		w.emitRecord(sh, w.egressIDs[r.Egress], r.Arg, tr)
	}
	for i := range resp.Mutations {
		w.mutate(in, &resp.Mutations[i])
	}
	if len(resp.Mutations) > 0 {
		sh.keepSpecs(in.typ)
	}
	w.endpoints[inv.Endpoint].noteAnswer(resp)
	in.typ.stats.Invocations++
	in.typ.stats.Messages += uint64(len(resp.Messages))
	w.stats.Invocations++
	w.endpoints[inv.Endpoint].answered++
	w.stats.Consumed += uint64(len(inv.Messages))
	w.succeeded(in)
	w.consume(in, int(in.taken))
	w.offer(in)
}

func (w *Worker) mutate(in *instance, m *Mutation) {
	s := in.slotAt(m.Name)
	spec := in.typ.spec(m.Name)
	if m.Delete {
		if s.val != nil {
			in.setState(s, nil)
		}
		in.setAccess(s, 0)
		return
	}
	val := m.Value
	if val == nil {
		val = Value{}
	}
	in.setState(s, val)
	if spec != nil && spec.Mode == ExpireNever { // nil if the type dropped it while the answer waited for its tokens: it may come back
		in.setAccess(s, 0)
		return
	}
	in.setAccess(s, w.now)
}
