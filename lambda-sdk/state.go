package stateway

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"google.golang.org/protobuf/proto"
)

// State is a state value of a function: one value of T for each Address. Declare it once, in a package variable, with
// Value or ValueOf, name it when the function is registered, and use it with the Context of an invocation.
//
// The messages of one batch see each other's writes. What is written takes effect with everything else the batch
// does, or not at all.
type State[T any] struct {
	decl declaration
	typ  Type[T]
}

// Declared is a state value in the list given to App.Function. *State is the only implementation.
type Declared interface {
	declared() *declaration
}

// declaration is the part of a State that does not depend on T.
type declaration struct {
	spec ValueSpec
	errs []error // what is wrong with it, told at registration
}

// ValueSpec is what the runtime learns about a state value.
type ValueSpec struct {
	// Name of the value, unique within its function.
	Name string
	// TypeName of its values.
	TypeName string
	// Mode is when the value expires.
	Mode ExpireMode
	// ExpireAfterMillis is the time to live in milliseconds: above 0, or 0 with NeverExpire.
	ExpireAfterMillis int64
}

// ExpireMode is what starts a value's time to live anew. The numbers are those of the protocol.
type ExpireMode int32

// The modes.
const (
	NeverExpire          ExpireMode = 0
	ExpireModeWrite      ExpireMode = 1
	ExpireModeInvocation ExpireMode = 2
)

// ValueOption changes how a state value is kept.
type ValueOption func(*declaration)

// ExpireAfterWrite removes the value when d has passed since it was last written. d is at least one millisecond.
func ExpireAfterWrite(d time.Duration) ValueOption {
	return func(decl *declaration) { decl.expire("ExpireAfterWrite", ExpireModeWrite, d) }
}

// ExpireAfterInvoke removes the value when d has passed since the Address was last invoked. d is at least one
// millisecond.
func ExpireAfterInvoke(d time.Duration) ValueOption {
	return func(decl *declaration) { decl.expire("ExpireAfterInvoke", ExpireModeInvocation, d) }
}

func (d *declaration) expire(option string, mode ExpireMode, after time.Duration) {
	if d.spec.Mode != NeverExpire {
		d.errs = append(d.errs, errors.New("it has two expiry options; keep one"))
	}
	if after < time.Millisecond {
		d.errs = append(d.errs, fmt.Errorf("%s(%s): the time must be at least one millisecond", option, after))
	}
	d.spec.Mode = mode
	d.spec.ExpireAfterMillis = after.Milliseconds()
}

// Value declares a state value, encoded by what T is: bool, int32, int64, float32, float64, string and []byte as the
// built-in types, a generated protobuf message as Protobuf does, everything else as JSON with the type name
// io.stateway.types/json, so that the Go type can be renamed. Plain int, which other languages have no match for, and
// the other sizes of integers are refused at registration.
//
// name begins with a letter or underscore and goes on with letters, digits and underscores.
func Value[T any](name string, opts ...ValueOption) *State[T] {
	return ValueOf(name, typeFor[T](), opts...)
}

// ValueOf declares a state value of the given type.
func ValueOf[T any](name string, typ Type[T], opts ...ValueOption) *State[T] {
	s := &State[T]{typ: typ, decl: declaration{spec: ValueSpec{Name: name, TypeName: typ.name}}}
	for _, opt := range opts {
		opt(&s.decl)
	}
	if !validStateName(name) {
		s.decl.errs = append(s.decl.errs, errors.New("a name is a letter or underscore, then letters, digits and underscores"))
	}
	if err := typ.usable(); err != nil {
		s.decl.errs = append(s.decl.errs, err)
	}
	return s
}

// Name returns the value's name.
func (s *State[T]) Name() string { return s.decl.spec.Name }

// Type returns how the value is encoded.
func (s *State[T]) Type() Type[T] { return s.typ }

// Get returns the value, or T's zero value when there is none. It fails when the stored bytes do not decode, and for a
// value that the function did not declare. The result shares no memory with the state: a change to it counts only
// once Set is called.
func (s *State[T]) Get(ctx *Context) (T, error) {
	v, _, err := s.Lookup(ctx)
	return v, err
}

// Lookup is Get that also tells whether there is a value.
func (s *State[T]) Lookup(ctx *Context) (v T, found bool, err error) {
	var zero T
	c, err := ctx.cell(&s.decl)
	if err != nil {
		return zero, false, err
	}
	if !c.present {
		return zero, false, nil
	}
	if !c.changed && len(c.typename) > 0 && string(c.typename) != s.decl.spec.TypeName {
		return zero, false, fmt.Errorf(
			"state %q holds a %s, but is declared as %s; declare it under a new name", s.decl.spec.Name, c.typename, s.decl.spec.TypeName,
		)
	}
	v, err = s.typ.Decode(c.value)
	if err != nil {
		return zero, false, fmt.Errorf("state %q: %w", s.decl.spec.Name, err)
	}
	return v, true, nil
}

// Set writes the value. A value that cannot be encoded fails the invocation, also when the handler returns nil.
func (s *State[T]) Set(ctx *Context, v T) {
	c, err := ctx.cell(&s.decl)
	if err != nil {
		ctx.fail(err)
		return
	}
	b, err := s.typ.appendTo(c.buf[:0], v)
	if err != nil {
		ctx.fail(fmt.Errorf("state %q: %w", s.decl.spec.Name, err))
		return
	}
	c.buf, c.value, c.present, c.changed = b, b, true, true
}

// Clear removes the value.
func (s *State[T]) Clear(ctx *Context) {
	c, err := ctx.cell(&s.decl)
	if err != nil {
		ctx.fail(err)
		return
	}
	c.value, c.present, c.changed = nil, false, true
}

func (s *State[T]) declared() *declaration {
	if s == nil {
		return nil
	}
	return &s.decl
}

func validStateName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// typeFor chooses the encoding that goes without saying for T.
func typeFor[T any]() Type[T] {
	if t, ok := builtinFor[T](); ok {
		return t
	}
	var zero T
	if m, ok := any(zero).(proto.Message); ok {
		return messageType[T](m)
	}
	rt := reflect.TypeFor[T]()
	if message := reflect.TypeFor[proto.Message](); rt.Implements(message) || reflect.PointerTo(rt).Implements(message) {
		return Type[T]{err: fmt.Errorf("%s is not a generated message type; use a pointer to one, such as *shop.Cart", rt)}
	}
	switch rt.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return Type[T]{err: fmt.Errorf("a %s cannot be kept as state; give a type with ValueOf", rt)}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32,
		reflect.Uint64, reflect.Uintptr:
		if rt.PkgPath() == "" {
			return Type[T]{err: fmt.Errorf("there is no built-in type for %s; use int32 or int64, or give a type with ValueOf", rt)}
		}
	}
	return JSON[T](jsonTypename)
}

func builtinFor[T any]() (Type[T], bool) {
	for _, t := range []any{Bool, Int32, Int64, Float32, Float64, String, Bytes} {
		if typ, ok := t.(Type[T]); ok {
			return typ, true
		}
	}
	return Type[T]{}, false
}

// messageType is ProtobufNamed for a T that is known to be a message only at run time.
func messageType[T any](sample proto.Message) Type[T] {
	return newType(
		"type.googleapis.com/"+string(sample.ProtoReflect().Descriptor().FullName()),
		func(dst []byte, v T) ([]byte, error) { return appendProto(dst, any(v).(proto.Message)) },
		func(src []byte) (T, error) {
			var zero T
			m := sample.ProtoReflect().New().Interface()
			if err := proto.Unmarshal(src, m); err != nil {
				return zero, err
			}
			return m.(T), nil
		},
	)
}
