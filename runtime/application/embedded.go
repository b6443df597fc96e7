package application

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/stateway/stateway/faas/embedded"
	"github.com/stateway/stateway/faas/endpoint"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

// Functions are functions that run in the node's process.
type Functions struct {
	// App runs them.
	App *stateway.App
	// Runners is how many run at a time unless they wait. Zero means one per core.
	Runners int
}

// Types are the function types as module.Options.Functions takes them.
func (f Functions) Types() []string {
	if f.App == nil {
		return nil
	}
	var types []string
	for _, t := range f.App.Functions() {
		types = append(types, string(t))
	}
	return types
}

func (b *builder) embeddedEndpoint(e *module.Endpoint, retry core.Retry) (opener, error) {
	app := b.opt.Functions.App
	if app == nil {
		return nil, fmt.Errorf("function %s is embedded, but the program has registered none", e.Functions)
	}
	cfg := embedded.Config{Function: &sdkFunction{app: app}, Call: e.Transport.Call, Runners: b.opt.Functions.Runners}
	return b.dispatched(e.Functions.String(), retry, embeddedWindow, func(_ node.CallerEnv, done func([]core.Result)) (endpoint.Transport, error) {
		return embedded.New(cfg, done)
	}), nil
}

// embeddedWindow is the most embedded invocations under way.
const embeddedWindow = 1024

// sdkFunction runs an SDK application on the core's invocations, without the protocol's bytes in between.
type sdkFunction struct {
	app  *stateway.App
	pool sync.Pool // of *scratch
}

// scratch is what one run needs and the next can use again.
type scratch struct {
	batch   stateway.Batch
	effects stateway.Effects
	rooms   []roomy // for the next responses
}

// Invoke implements embedded.Function.
func (f *sdkFunction) Invoke(ctx context.Context, inv *core.Invocation) core.Outcome {
	s, _ := f.pool.Get().(*scratch)
	if s == nil {
		s = &scratch{}
	}
	s.fill(inv)
	if err := f.app.Run(ctx, &s.batch, &s.effects); err != nil {
		return core.Outcome{Class: core.OutcomeFailed, Reason: err.Error()} // the scratch goes with it
	}
	resp, err := s.response()
	if err != nil {
		return core.Outcome{Class: core.OutcomeFailed, Reason: err.Error()}
	}
	s.batch.Reset()
	s.effects.Reset()
	f.pool.Put(s)
	return core.Outcome{Response: resp}
}

func (s *scratch) fill(inv *core.Invocation) {
	s.batch.Target = stateway.FunctionType(inv.Target.Type).At(inv.Target.ID)
	s.batch.Traceparent = inv.Trace().String()
	for i := range inv.States {
		st := &inv.States[i]
		s.batch.State = append(s.batch.State, stateway.StateEntry{Name: st.Name, Value: st.Value})
	}
	for _, m := range inv.Messages {
		in := stateway.Inbound{Argument: m.Arg}
		if !m.Caller.IsZero() {
			in.Caller, in.HasCaller = stateway.FunctionType(m.Caller.Type).At(m.Caller.ID), true
		}
		s.batch.Messages = append(s.batch.Messages, in)
	}
}

// roomy is a response with room for what most invocations lead to, in one piece of memory.
type roomy struct {
	core.Response
	egresses  [1]core.EgressRecord
	mutations [1]core.Mutation
}

// Responses are short-lived, so that memory is got for several at a time; not if they refer to much, which they would keep in use together.
const (
	responsesAtOnce = 15
	roomyBytes      = 4 << 10
	entryBytes      = 64 // of an entry beside its value, about
)

func (s *scratch) room(bytes int) *roomy {
	if bytes > roomyBytes {
		return &roomy{}
	}
	if len(s.rooms) == 0 {
		s.rooms = make([]roomy, responsesAtOnce)
	}
	room := &s.rooms[0]
	s.rooms = s.rooms[1:]
	return room
}

// response copies the effects, all values into one piece of memory, for the scratch is used again.
func (s *scratch) response() (*core.Response, error) {
	e := &s.effects
	bytes := s.valueBytes()
	room := s.room(bytes + entryBytes*(len(e.Messages)+len(e.Delayed)+len(e.Egress)+len(e.Mutations)))
	resp := &room.Response
	resp.Incomplete = len(e.Missing) > 0
	for i := range e.Missing {
		m := &e.Missing[i]
		resp.Missing = append(resp.Missing, core.StateSpec{
			Name: m.Name, Typename: m.TypeName, Mode: core.ExpireMode(m.Mode), TTL: core.Millis(m.ExpireAfterMillis), //nolint:gosec // three modes, numbered alike
		})
	}
	if resp.Incomplete {
		return resp, nil
	}
	values := valueArena(make([]byte, 0, bytes))
	resp.Messages = make([]core.Outgoing, 0, len(e.Messages))
	for i := range e.Messages {
		m := &e.Messages[i]
		resp.Messages = append(resp.Messages, core.Outgoing{Target: address(m.Target), Arg: values.copy(m.Argument)})
	}
	for i := range e.Delayed {
		d := &e.Delayed[i]
		resp.Delayed = append(resp.Delayed, core.Delayed{
			Cancel: d.Cancel, Token: d.Token, Delay: core.Millis(d.Millis),
			Target: address(d.Target), Arg: values.copy(d.Argument),
		})
	}
	resp.Egresses = slices.Grow(room.egresses[:0], len(e.Egress))
	resp.Mutations = slices.Grow(room.mutations[:0], len(e.Mutations))
	return resp, s.typed(resp, &values)
}

// typed copies what carries the name of its value's type.
func (s *scratch) typed(resp *core.Response, values *valueArena) error {
	e := &s.effects
	for i := range e.Egress {
		arg := values.copy(e.Egress[i].Argument)
		tv, err := wire.ParseTypedValue(arg)
		if err != nil {
			return err
		}
		resp.Egresses = append(resp.Egresses, core.EgressRecord{
			Egress: string(e.Egress[i].Egress), Typename: tv.Typename, Arg: arg,
		})
	}
	for i := range e.Mutations {
		m := &e.Mutations[i]
		if m.Value == nil {
			resp.Mutations = append(resp.Mutations, core.Mutation{Name: m.Name, Delete: true})
			continue
		}
		val := values.copy(m.Value)
		tv, err := wire.ParseTypedValue(val)
		if err != nil {
			return err
		}
		resp.Mutations = append(resp.Mutations, core.Mutation{Name: m.Name, Typename: tv.Typename, Value: val})
	}
	return nil
}

func address(a stateway.Address) core.Address {
	return core.Address{Type: core.FunctionType(a.Type), ID: a.ID}
}

// valueArena is one piece of memory for the values of a response.
type valueArena []byte

func (v *valueArena) copy(b []byte) core.Value {
	if b == nil {
		return nil
	}
	at := len(*v)
	*v = append(*v, b...)
	return core.Value((*v)[at:len(*v):len(*v)])
}

// valueBytes is the size of all values.
func (s *scratch) valueBytes() int {
	n, e := 0, &s.effects
	for i := range e.Mutations {
		n += len(e.Mutations[i].Value)
	}
	for i := range e.Messages {
		n += len(e.Messages[i].Argument)
	}
	for i := range e.Delayed {
		n += len(e.Delayed[i].Argument)
	}
	for i := range e.Egress {
		n += len(e.Egress[i].Argument)
	}
	return n
}
