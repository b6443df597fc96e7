package stateway

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the protocol that are not in order or not small; the others stand in the code that reads them.
const (
	fieldInvocation = 100 // ToFunction: the batch
	fieldResult     = 100 // FromFunction: the batch was run
	fieldIncomplete = 101 // FromFunction: states are missing
)

// decodeToFunction reads a ToFunction into b, which then points into data.
func (r *registry) decodeToFunction(data []byte, b *Batch) error {
	found := false
	f := fields{rest: data}
	for f.next() {
		if !f.is(fieldInvocation, protowire.BytesType) {
			continue
		}
		found = true
		if err := r.decodeBatch(f.data, b); err != nil {
			return fmt.Errorf("read ToFunction: %w", err)
		}
	}
	if f.err != nil {
		return fmt.Errorf("read ToFunction: %w", f.err)
	}
	if !found {
		return errors.New("read ToFunction: it holds no invocation")
	}
	return nil
}

func (r *registry) decodeBatch(data []byte, b *Batch) error {
	var target rawAddress
	f := fields{rest: data}
	for f.next() {
		if f.typ != protowire.BytesType {
			continue
		}
		var err error
		switch f.num {
		case 1:
			err = target.decode(f.data)
		case 2:
			err = r.decodeState(f.data, b)
		case 3:
			err = r.decodeInvocation(f.data, b)
		}
		if err != nil {
			return err
		}
	}
	if target.present {
		b.Target = r.address(&target)
	}
	return f.err
}

func (r *registry) decodeState(data []byte, b *Batch) error {
	var name, value []byte
	f := fields{rest: data}
	for f.next() {
		switch {
		case f.is(1, protowire.BytesType):
			name = f.data
		case f.is(2, protowire.BytesType):
			value = merge(value, f.data)
		}
	}
	if f.err != nil {
		return fmt.Errorf("state: %w", f.err)
	}
	if !utf8.Valid(name) {
		return fmt.Errorf("name of a state: %w", errNotUTF8)
	}
	b.State = append(b.State, StateEntry{Name: r.name(name), Value: value})
	return nil
}

func (r *registry) decodeInvocation(data []byte, b *Batch) error {
	var caller rawAddress
	var argument []byte
	f := fields{rest: data}
	for f.next() {
		switch {
		case f.is(1, protowire.BytesType):
			if err := caller.decode(f.data); err != nil {
				return err
			}
		case f.is(2, protowire.BytesType):
			argument = merge(argument, f.data)
		}
	}
	if f.err != nil {
		return fmt.Errorf("invocation: %w", f.err)
	}
	in := Inbound{HasCaller: caller.present, Argument: argument}
	if caller.present {
		in.Caller = r.address(&caller)
	}
	b.Messages = append(b.Messages, in)
	return nil
}

// merge adds an occurrence of a message field to those before: their bytes in a row mean the same as the merged message. The
// first one is given no spare room, so that the request is copied and not written to; later ones use the room of the copy.
func merge(before, more []byte) []byte {
	if len(before) == 0 {
		return more[:len(more):len(more)]
	}
	return append(before, more...)
}

// rawAddress is an Address message, pointing into the request.
type rawAddress struct {
	namespace, name, id []byte
	present             bool
}

func (a *rawAddress) decode(data []byte) error {
	a.present = true
	f := fields{rest: data}
	for f.next() {
		if f.typ != protowire.BytesType || f.num > 3 {
			continue
		}
		if !utf8.Valid(f.data) {
			return fmt.Errorf("address: %w", errNotUTF8)
		}
		switch f.num {
		case 1:
			a.namespace = f.data
		case 2:
			a.name = f.data
		case 3:
			a.id = f.data
		}
	}
	if f.err != nil {
		return fmt.Errorf("address: %w", f.err)
	}
	return nil
}

func (r *registry) address(a *rawAddress) Address {
	var room [96]byte
	name := append(room[:0], a.namespace...)
	name = append(name, '/')
	name = append(name, a.name...)
	return Address{Type: FunctionType(r.name(name)), ID: string(a.id)}
}
