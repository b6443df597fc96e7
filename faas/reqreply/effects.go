package reqreply

import (
	"strings"

	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
)

// unsetTypename stands for an empty typename of a state, as StateFun has it.
const unsetTypename = "io.statefun.types/unset"

// isTypename reports whether s is of the form namespace/name; a namespace may hold slashes.
func isTypename(s string) bool {
	slash := strings.LastIndexByte(s, '/')
	return slash > 0 && slash < len(s)-1
}

func (c *Codec) target(a *wire.Address) (core.Address, bool) {
	t, ok := c.names.join(a.Namespace, a.Type)
	return core.Address{Type: core.FunctionType(t), ID: a.ID}, ok
}

// value is the argument as the core keeps it: never nil.
func value(e *wire.Embedded) core.Value {
	if e.Raw == nil {
		return core.Value{}
	}
	return e.Raw
}

func (c *Codec) messages(r *answer) error {
	r.Messages = room(r.messages[:], len(c.from.Messages))
	for i := range c.from.Messages {
		m := &c.from.Messages[i]
		to, ok := c.target(&m.Target)
		if !ok {
			return refuse("outgoing message %d has no function as its target: namespace %q, type %q", i, m.Target.Namespace, m.Target.Type)
		}
		r.Messages = append(r.Messages, core.Outgoing{Target: to, Arg: value(&m.Argument)})
	}
	return nil
}

func (c *Codec) delayed(r *core.Response) error {
	if len(c.from.Delayed) == 0 {
		return nil
	}
	r.Delayed = make([]core.Delayed, 0, len(c.from.Delayed))
	for i := range c.from.Delayed {
		d := &c.from.Delayed[i]
		if d.Cancel {
			if d.Token == "" {
				return refuse("delayed message %d is a cancellation without a token", i)
			}
			r.Delayed = append(r.Delayed, core.Delayed{Cancel: true, Token: d.Token})
			continue
		}
		if d.Delay < 0 {
			return refuse("delayed message %d has a negative delay: %d ms", i, d.Delay)
		}
		to, ok := c.target(&d.Target)
		if !ok {
			return refuse("delayed message %d has no function as its target: namespace %q, type %q", i, d.Target.Namespace, d.Target.Type)
		}
		r.Delayed = append(r.Delayed, core.Delayed{Token: d.Token, Delay: core.Millis(d.Delay), Target: to, Arg: value(&d.Argument)})
	}
	return nil
}

func (c *Codec) egresses(r *answer) error {
	r.Egresses = room(r.egresses[:], len(c.from.Egresses))
	for i := range c.from.Egresses {
		e := &c.from.Egresses[i]
		id, ok := c.names.join(e.Namespace, e.Type)
		if !ok {
			return refuse("egress record %d has no egress: namespace %q, type %q", i, e.Namespace, e.Type)
		}
		r.Egresses = append(r.Egresses, core.EgressRecord{
			Egress: id, Typename: c.names.keep(e.Argument.Parsed.Typename), Arg: value(&e.Argument),
		})
	}
	return nil
}

func (c *Codec) mutations(r *answer) error {
	r.Mutations = room(r.mutations[:], len(c.from.Mutations))
	for i := range c.from.Mutations {
		m := &c.from.Mutations[i]
		if m.Name == "" {
			return refuse("state mutation %d has no state name", i)
		}
		name := c.names.keep(m.Name)
		switch m.Type {
		case wire.MutationDelete:
			r.Mutations = append(r.Mutations, core.Mutation{Name: name, Delete: true})
		case wire.MutationModify:
			typename, v := c.stored(&m.Value)
			r.Mutations = append(r.Mutations, core.Mutation{Name: name, Typename: typename, Value: v})
		default:
			return refuse("mutation of state %q is of the unknown kind %d", m.Name, m.Type)
		}
	}
	return nil
}

// stored is a new state value as it will be handed to later invocations. A modification always sets a value, also one
// that lacks has_value, and an empty typename is the unset one.
func (c *Codec) stored(e *wire.Embedded) (string, core.Value) {
	if e.Parsed.HasValue && e.Parsed.Typename != "" {
		return c.names.keep(e.Parsed.Typename), e.Raw
	}
	typename := unsetTypename
	if e.Parsed.Typename != "" {
		typename = c.names.keep(e.Parsed.Typename)
	}
	return typename, wire.AppendTypedValue(nil, typename, e.Parsed.Value)
}

func (c *Codec) missing(r *core.Response) error {
	if len(c.from.Missing) == 0 {
		return refuse("the function lacks states but names none")
	}
	r.Missing = make([]core.StateSpec, 0, len(c.from.Missing))
	for i := range c.from.Missing {
		spec, err := c.spec(&c.from.Missing[i])
		if err != nil {
			return err
		}
		r.Missing = append(r.Missing, spec)
	}
	return nil
}

var modes = map[wire.ExpireMode]core.ExpireMode{
	wire.ExpireAfterWrite:  core.ExpireAfterWrite,
	wire.ExpireAfterInvoke: core.ExpireAfterInvoke,
}

func (c *Codec) spec(s *wire.Spec) (core.StateSpec, error) {
	if s.Name == "" {
		return core.StateSpec{}, refuse("a missing state has no name")
	}
	spec := core.StateSpec{Name: c.names.keep(s.Name), Typename: unsetTypename}
	if s.Typename != "" {
		spec.Typename = c.names.keep(s.Typename)
	}
	if !isTypename(spec.Typename) {
		return spec, refuse("typename %q of state %q is not of the form namespace/name", s.Typename, s.Name)
	}
	if s.Mode == wire.ExpireNone {
		return spec, nil
	}
	mode, ok := modes[s.Mode]
	if !ok {
		return spec, refuse("state %q has the unknown expire mode %d", s.Name, s.Mode)
	}
	if s.Millis <= 0 {
		return spec, refuse("state %q expires after %d ms: must be positive", s.Name, s.Millis)
	}
	spec.Mode, spec.TTL = mode, core.Millis(s.Millis)
	return spec, nil
}
