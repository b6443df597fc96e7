package statewaytest

import (
	"context"
	"slices"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// Instance is one Address under test.
type Instance struct {
	t     testing.TB
	app   *stateway.App
	self  stateway.Address
	specs []stateway.ValueSpec
	state map[string][]byte // encoded TypedValue of every value that is present
	trace string
}

// New returns the instance at an Address of app, without state. The test fails when app lacks the function.
func New(t testing.TB, app *stateway.App, self stateway.Address) *Instance {
	t.Helper()
	if !slices.Contains(app.Functions(), self.Type) {
		t.Fatalf("statewaytest: the app has no function %s, only %v", self.Type, app.Functions())
	}
	return &Instance{t: t, app: app, self: self, specs: app.Values(self.Type), state: make(map[string][]byte)}
}

// Deliver invokes the function with one batch of messages, as from an ingress: there is no caller. The test fails when
// the invocation does.
func (i *Instance) Deliver(messages ...stateway.Payload) Effects {
	i.t.Helper()
	return i.mustRun(stateway.Inbound{}, messages)
}

// DeliverFrom is Deliver with messages that another Address, or the same, sent.
func (i *Instance) DeliverFrom(caller stateway.Address, messages ...stateway.Payload) Effects {
	i.t.Helper()
	return i.mustRun(stateway.Inbound{Caller: caller, HasCaller: true}, messages)
}

// DeliverError is Deliver for an invocation that must fail; it returns why. The test fails when the invocation
// succeeds.
func (i *Instance) DeliverError(messages ...stateway.Payload) error {
	i.t.Helper()
	return i.mustFail(stateway.Inbound{}, messages)
}

// DeliverErrorFrom is DeliverError with a caller.
func (i *Instance) DeliverErrorFrom(caller stateway.Address, messages ...stateway.Payload) error {
	i.t.Helper()
	return i.mustFail(stateway.Inbound{Caller: caller, HasCaller: true}, messages)
}

// Trace gives the deliveries from now on a W3C trace context, for Context.Traceparent; an empty text gives them none.
func (i *Instance) Trace(traceparent string) { i.trace = traceparent }

// Set gives the instance a state value, as if an earlier invocation had written it.
func Set[T any](i *Instance, state *stateway.State[T], v T) {
	i.t.Helper()
	i.checkDeclared(state.Name())
	raw, err := state.Type().Of(v).AppendTypedValue(nil)
	if err != nil {
		i.t.Fatalf("statewaytest: set state %q: %v", state.Name(), err)
	}
	i.state[state.Name()] = raw
}

// Get returns a state value and whether there is one.
func Get[T any](i *Instance, state *stateway.State[T]) (T, bool) {
	i.t.Helper()
	i.checkDeclared(state.Name())
	var zero T
	raw, ok := i.state[state.Name()]
	if !ok {
		return zero, false
	}
	m, err := stateway.ParseTypedValue(raw)
	if err != nil {
		i.t.Fatalf("statewaytest: get state %q: %v", state.Name(), err)
	}
	return read(i, state.Type(), m), true
}

// Clear removes a state value, as expiry does.
func Clear[T any](i *Instance, state *stateway.State[T]) {
	i.t.Helper()
	i.checkDeclared(state.Name())
	delete(i.state, state.Name())
}

// Read returns the value of a payload, such as one that was sent. The test fails when it is of another type.
func Read[T any](i *Instance, typ stateway.Type[T], p stateway.Payload) T {
	i.t.Helper()
	return read(i, typ, p.Message())
}

func read[T any](i *Instance, typ stateway.Type[T], m stateway.Message) T {
	i.t.Helper()
	v, err := typ.Read(m)
	if err != nil {
		i.t.Fatalf("statewaytest: %v", err)
	}
	return v
}

func (i *Instance) checkDeclared(name string) {
	i.t.Helper()
	for _, spec := range i.specs {
		if spec.Name == name {
			return
		}
	}
	i.t.Fatalf("statewaytest: %s does not declare state %q", i.self.Type, name)
}

func (i *Instance) mustRun(from stateway.Inbound, messages []stateway.Payload) Effects {
	i.t.Helper()
	effects, err := i.run(from, messages)
	if err != nil {
		i.t.Fatalf("statewaytest: %v", err)
	}
	return effects
}

func (i *Instance) mustFail(from stateway.Inbound, messages []stateway.Payload) error {
	i.t.Helper()
	effects, err := i.run(from, messages)
	if err == nil {
		i.t.Fatalf("statewaytest: the invocation of %s succeeded, with %+v", i.self, effects)
	}
	return err
}

func (i *Instance) run(from stateway.Inbound, messages []stateway.Payload) (Effects, error) {
	i.t.Helper()
	batch := stateway.Batch{Target: i.self, Traceparent: i.trace}
	for _, spec := range i.specs {
		batch.State = append(batch.State, stateway.StateEntry{Name: spec.Name, Value: i.state[spec.Name]})
	}
	for _, p := range messages {
		in, err := from, error(nil)
		if in.Argument, err = p.AppendTypedValue(nil); err != nil {
			i.t.Fatalf("statewaytest: a message to deliver: %v", err)
		}
		batch.Messages = append(batch.Messages, in)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out stateway.Effects
	if err := i.app.Run(ctx, &batch, &out); err != nil {
		return Effects{}, err
	}
	i.apply(out.Mutations)
	return i.effects(&out), nil
}

func (i *Instance) apply(mutations []stateway.Mutation) {
	for _, m := range mutations {
		if m.Value == nil {
			delete(i.state, m.Name)
			continue
		}
		i.state[m.Name] = m.Value
	}
}

func (i *Instance) effects(out *stateway.Effects) Effects {
	i.t.Helper()
	var e Effects
	for _, m := range out.Messages {
		e.Sent = append(e.Sent, Sent{To: m.Target, Message: i.payload(m.Argument)})
	}
	for _, d := range out.Delayed {
		if d.Cancel {
			e.Cancelled = append(e.Cancelled, d.Token)
			continue
		}
		after := time.Duration(d.Millis) * time.Millisecond
		e.Delayed = append(e.Delayed, Delayed{After: after, To: d.Target, Message: i.payload(d.Argument), Token: d.Token})
	}
	for _, r := range out.Egress {
		e.Egress = append(e.Egress, Record{Egress: r.Egress, Record: i.payload(r.Argument)})
	}
	return e
}

func (i *Instance) payload(raw []byte) stateway.Payload {
	i.t.Helper()
	m, err := stateway.ParseTypedValue(raw)
	if err != nil {
		i.t.Fatalf("statewaytest: %v", err)
	}
	return m.Payload()
}
