package stateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// Type says how values of T are named and encoded, in messages, states and egress records. Make one with JSON,
// Protobuf or NewType, or use a built-in one. Types are values: declare them once, in package variables. The zero Type
// cannot be used and says so wherever it is. Safe for concurrent use.
type Type[T any] struct {
	name   string
	err    error // why the type cannot be used
	append func(dst []byte, v T) ([]byte, error)
	decode func(src []byte) (T, error) // the result must not share src's memory
}

// JSON returns a type whose values are JSON, by encoding/json. typename is namespace/name and what other functions,
// in any language, know the type by.
func JSON[T any](typename string) Type[T] {
	return newType(typename, appendJSON[T], decodeJSON[T])
}

// Protobuf returns the type of a protobuf message, named as all StateFun SDKs name it: type.googleapis.com/ and the
// message's full name. T is the generated pointer type, such as *shop.Cart.
func Protobuf[T proto.Message]() Type[T] {
	var zero T
	if any(zero) == nil {
		return Type[T]{err: errors.New("Protobuf needs a generated message type, such as *shop.Cart, not an interface")}
	}
	return ProtobufNamed[T]("type.googleapis.com/" + string(zero.ProtoReflect().Descriptor().FullName()))
}

// ProtobufNamed returns the type of a protobuf message under a name of its own.
func ProtobufNamed[T proto.Message](typename string) Type[T] {
	var zero T
	if any(zero) == nil {
		return Type[T]{err: errors.New("ProtobufNamed needs a generated message type, such as *shop.Cart, not an interface")}
	}
	return newType(typename, appendProto[T], decodeProto[T])
}

// NewType returns a type with an encoding of its own. decode gets a copy of the bytes and may keep it. Both functions
// may run concurrently.
func NewType[T any](typename string, encode func(T) ([]byte, error), decode func([]byte) (T, error)) Type[T] {
	if encode == nil || decode == nil {
		return Type[T]{name: typename, err: fmt.Errorf("type %q lacks its encode or decode function", typename)}
	}
	return newType(
		typename,
		func(dst []byte, v T) ([]byte, error) {
			b, err := encode(v)
			return append(dst, b...), err
		},
		func(src []byte) (T, error) { return decode(bytes.Clone(src)) },
	)
}

func newType[T any](name string, enc func([]byte, T) ([]byte, error), dec func([]byte) (T, error)) Type[T] {
	t := Type[T]{name: name, append: enc, decode: dec}
	if err := checkName(name); err != nil {
		t.err = fmt.Errorf("typename %w", err)
	}
	return t
}

// Name returns the type's name.
func (t Type[T]) Name() string { return t.name }

// Of encodes v. When that fails, the Payload carries the error and sending it fails the invocation.
func (t Type[T]) Of(v T) Payload {
	b, err := t.Encode(v)
	if err != nil {
		return Payload{err: err}
	}
	return Payload{typename: t.name, value: b}
}

// Is reports whether m is of this type.
func (t Type[T]) Is(m Message) bool {
	return t.name != "" && string(m.typename) == t.name
}

// Read decodes m. A message of another type, one without a value and one that does not decode are errors.
func (t Type[T]) Read(m Message) (T, error) {
	var zero T
	if err := t.usable(); err != nil {
		return zero, err
	}
	if !t.Is(m) {
		return zero, fmt.Errorf("the message is of type %q, not %q", m.typename, t.name)
	}
	if !m.present {
		return zero, fmt.Errorf("the message of type %q carries no value", t.name)
	}
	return t.Decode(m.value)
}

// Encode returns the bytes of v.
func (t Type[T]) Encode(v T) ([]byte, error) {
	return t.appendTo(nil, v)
}

// Decode returns the value that b encodes. The value shares no memory with b.
func (t Type[T]) Decode(b []byte) (T, error) {
	var zero T
	if err := t.usable(); err != nil {
		return zero, err
	}
	v, err := t.decode(b)
	if err != nil {
		return zero, fmt.Errorf("decode %s: %w", t.name, err)
	}
	return v, nil
}

func (t Type[T]) appendTo(dst []byte, v T) ([]byte, error) {
	if err := t.usable(); err != nil {
		return dst, err
	}
	b, err := t.append(dst, v)
	if err != nil {
		return dst, fmt.Errorf("encode %s: %w", t.name, err)
	}
	return b, nil
}

func (t Type[T]) usable() error {
	if t.err == nil && t.append == nil {
		return errors.New("a zero stateway.Type; make one with JSON, Protobuf or NewType")
	}
	return t.err
}

func appendJSON[T any](dst []byte, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

func decodeJSON[T any](src []byte) (T, error) {
	var v T
	err := json.Unmarshal(src, &v)
	return v, err
}

func appendProto[T proto.Message](dst []byte, v T) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, v)
}

func decodeProto[T proto.Message](src []byte) (T, error) {
	var zero T
	v := zero.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(src, v); err != nil {
		return zero, err
	}
	return v.(T), nil
}
