package stateway

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// PanicError is the error of an invocation whose handler panicked.
type PanicError struct {
	// Value is what the handler panicked with.
	Value any
	// Stack is the stack of the panicking goroutine.
	Stack []byte
}

// Error tells the panic's value. The stack is in Stack and in the log.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value when that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// maxKeptCell is the largest buffer of a state value that is kept between runs, in bytes.
const maxKeptCell = 64 << 10

// run is the work on one batch.
type run struct {
	fn          *function
	self        Address
	traceparent string // empty if the batch has none
	cells       []cell // one for each declared value, in order
	out         *Effects
	err         error // first effect that was not valid
}

// cell is a state value during a batch.
type cell struct {
	value    []byte // points into the request or into buf
	typename []byte // of the stored value, points into the request
	buf      []byte // memory of the last write, kept between runs
	known    bool   // the request has it, be it absent
	stored   bool   // there was a value before the batch
	present  bool
	changed  bool
}

var runs = sync.Pool{New: func() any { return new(run) }}

// Run runs a batch and adds what it leads to to out, which should be empty. It keeps nothing of b; out does not point
// into b.
//
// A message whose handler fails or panics fails the batch: Run then returns an error and out is to be thrown away, as
// if nothing had been run. Safe for concurrent use with different arguments.
func (a *App) Run(ctx context.Context, b *Batch, out *Effects) error {
	fn := a.registry.Load().functions[string(b.Target.Type)]
	if fn == nil && b.Target.Type == "" {
		return errors.New("the request names no function to invoke")
	}
	if fn == nil {
		return fmt.Errorf("unknown function type %s; this server has no function of that name", b.Target.Type)
	}
	r := runs.Get().(*run)
	defer r.release()
	r.fn, r.self, r.traceparent, r.out = fn, b.Target, b.Traceparent, out
	if err := r.load(b); err != nil {
		return fmt.Errorf("invoke %s: %w", b.Target, err)
	}
	if r.incomplete() {
		return nil
	}
	if err := r.invokeAll(ctx, b.Messages); err != nil {
		return err
	}
	r.saveCells()
	return nil
}

// load sets up the cells from the batch's state.
func (r *run) load(b *Batch) error {
	if n := len(r.fn.values); n <= cap(r.cells) {
		r.cells = r.cells[:n]
	} else {
		r.cells = make([]cell, n)
	}
	for i := range b.State {
		c := r.cellNamed(b.State[i].Name)
		if c == nil {
			continue // a state that the function no longer declares
		}
		if err := c.load(b.State[i].Value); err != nil {
			return fmt.Errorf("state %q: %w", b.State[i].Name, err)
		}
	}
	return nil
}

func (c *cell) load(raw []byte) error {
	m, err := ParseTypedValue(raw)
	if err != nil {
		return err
	}
	c.value, c.typename = m.value, m.typename
	c.known, c.stored, c.present = true, m.present, m.present
	return nil
}

func (r *run) cellNamed(name string) *cell {
	for i, v := range r.fn.values {
		if v.spec.Name == name {
			return &r.cells[i]
		}
	}
	return nil
}

func (r *run) cell(d *declaration) (*cell, error) {
	for i, v := range r.fn.values {
		if v == d {
			return &r.cells[i], nil
		}
	}
	return nil, fmt.Errorf("state %q is not declared by %s; add it where the function is registered", d.spec.Name, r.self.Type)
}

// incomplete adds what the batch lacks to the effects and tells whether it lacks anything.
func (r *run) incomplete() bool {
	for i := range r.cells {
		if !r.cells[i].known {
			r.out.Missing = append(r.out.Missing, r.fn.values[i].spec)
		}
	}
	return len(r.out.Missing) > 0
}

func (r *run) invokeAll(ctx context.Context, messages []Inbound) error {
	c := &Context{Context: ctx, run: r}
	defer func() { c.run = nil }()
	for i := range messages {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("invoke %s: given up before message %d of %d: %w", r.self, i+1, len(messages), err)
		}
		in := &messages[i]
		c.caller, c.hasCaller = in.Caller, in.HasCaller
		if err := r.invoke(c, in.Argument); err != nil {
			return fmt.Errorf("invoke %s, message %d of %d: %w", r.self, i+1, len(messages), err)
		}
	}
	return nil
}

// invoke runs the handler for one message. A panic of user code is an error like any other.
func (r *run) invoke(c *Context, argument []byte) (err error) {
	m, err := ParseTypedValue(argument)
	if err != nil {
		return err
	}
	finished := false
	defer func() {
		if finished {
			return
		}
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	err = r.fn.handler(c, m)
	finished = true
	return errors.Join(err, r.err)
}

// message checks and encodes what is sent to another function.
func (r *run) message(verb string, to Address, p Payload) ([]byte, error) {
	if err := to.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", verb, err)
	}
	arg, err := r.out.put(p)
	if err != nil {
		return nil, fmt.Errorf("%s to %s: %w", verb, to, err)
	}
	return arg, nil
}

// saveCells adds one mutation for each value that changed. A value that was absent and is absent again did not.
func (r *run) saveCells() {
	for i := range r.cells {
		c, spec := &r.cells[i], &r.fn.values[i].spec
		switch {
		case !c.changed || !c.present && !c.stored:
		case !c.present:
			r.out.Mutations = append(r.out.Mutations, Mutation{Name: spec.Name})
		default:
			r.out.saveValue(spec, c.value)
		}
	}
}

func (e *Effects) saveValue(spec *ValueSpec, value []byte) {
	start := len(e.arena)
	e.arena = appendTypedValue(e.arena, spec.TypeName, value)
	e.Mutations = append(e.Mutations, Mutation{Name: spec.Name, Value: e.arena[start:len(e.arena):len(e.arena)]})
}

func (r *run) release() {
	for i := range r.cells {
		buf := r.cells[i].buf
		if cap(buf) > maxKeptCell {
			buf = nil
		}
		r.cells[i] = cell{buf: buf[:0]}
	}
	*r = run{cells: r.cells[:0]}
	runs.Put(r)
}
