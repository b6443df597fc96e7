package core

import "fmt"

// unsetType is the type of a state that was declared without one.
const unsetType = "io.statefun.types/unset"

// validate refuses a response before its first effect: a target, egress or state that does not exist, a value of another
// type, a delay below zero.
func (w *Worker) validate(in *instance, inv *Invocation, resp *Response) error {
	for i := range resp.Messages {
		if err := w.validTarget(resp.Messages[i].Target); err != nil {
			return fmt.Errorf("outgoing message %d: %w", i+1, err)
		}
	}
	for i := range resp.Delayed {
		if err := w.validDelayed(&resp.Delayed[i]); err != nil {
			return fmt.Errorf("delayed message %d: %w", i+1, err)
		}
	}
	for i := range resp.Egresses {
		if err := w.validEgress(&resp.Egresses[i]); err != nil {
			return fmt.Errorf("egress record %d: %w", i+1, err)
		}
	}
	for i := range resp.Mutations {
		if err := validMutation(in.typ, inv, &resp.Mutations[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) validTarget(a Address) error {
	t := w.types[a.Type]
	if t == nil {
		if _, ok := w.cfg.App.EndpointOf(a.Type); ok {
			return nil
		}
	} else if t.endpoint >= 0 {
		return nil
	}
	return fmt.Errorf("no endpoint serves function type %s", a.Type)
}

func (w *Worker) validDelayed(d *Delayed) error {
	if d.Cancel {
		if d.Token == "" {
			return fmt.Errorf("a cancellation without a token")
		}
		return nil
	}
	if d.Delay < 0 {
		return fmt.Errorf("a delay of %d ms is below zero", d.Delay)
	}
	return w.validTarget(d.Target)
}

func (w *Worker) validEgress(r *EgressRecord) error {
	id, ok := w.egressIDs[r.Egress]
	if !ok {
		return fmt.Errorf("there is no egress %s", r.Egress)
	}
	if v := w.egresses[id].Validate; v != nil {
		if err := v(r.Typename, r.Arg); err != nil {
			return fmt.Errorf("for egress %s: %w", r.Egress, err)
		}
	}
	return nil
}

func validMutation(t *funcType, inv *Invocation, m *Mutation) error {
	spec := t.spec(m.Name)
	if spec == nil || !inv.carries(m.Name) {
		return fmt.Errorf("a change of state %q, which the function has not declared", m.Name)
	}
	if !m.Delete && m.Typename != spec.Typename && (m.Typename != "" || spec.Typename != unsetType) {
		return fmt.Errorf("a value of type %s for state %q, which is of type %s", m.Typename, m.Name, spec.Typename)
	}
	return nil
}

// apply applies a validated response in one step: messages, delayed messages, egress records, states; then the batch is consumed.
func (w *Worker) apply(in *instance, inv *Invocation, resp *Response) {
	if inv == in.typ.asking {
		w.replaceSpecs(in.typ, nil) // it was given no state and asked for none
	}
	sh := in.shard
	for i := range resp.Messages {
		m := &resp.Messages[i]
		w.send(&Message{Target: m.Target, Caller: in.addr, Arg: m.Arg})
	}
	for i := range resp.Delayed {
		w.applyDelayed(in, &resp.Delayed[i])
	}
	for i := range resp.Egresses {
		r := &resp.Egresses[i]
		w.emitRecord(sh, w.egressIDs[r.Egress], r.Typename, r.Arg)
	}
	for i := range resp.Mutations {
		w.mutate(in, &resp.Mutations[i])
	}
	if len(resp.Mutations) > 0 {
		sh.keepSpecs(in.typ)
	}
	in.typ.stats.Invocations++
	in.typ.stats.Messages += uint64(len(resp.Messages))
	w.stats.Invocations++
	w.stats.Consumed += uint64(len(inv.Messages))
	w.succeeded(in)
	w.consume(in, in.taken)
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
	if spec == nil || spec.Mode == ExpireNever { // nil if the type dropped it while the answer waited for its tokens
		in.setAccess(s, 0)
		return
	}
	in.setAccess(s, w.now)
}
