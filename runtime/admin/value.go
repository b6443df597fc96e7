package admin

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

const (
	builtinTypes = "io.statefun.types/"
	typeJSON     = "io.stateway.types/json"
)

// describeState reads a stored state. Without withValue only its type and size are told.
func describeState(s core.StoredState, withValue bool) (StateValue, error) {
	v, err := wire.ParseTypedValue(s.Value)
	if err != nil {
		return StateValue{}, fmt.Errorf("state %s: %w", s.Name, err)
	}
	d := StateValue{Name: s.Name, Type: v.Typename, Size: len(v.Value)}
	if s.HasAccess {
		d.LastAccess = timeOf(s.Access)
	}
	if !withValue {
		return d, nil
	}
	if d.Value = readable(v.Typename, v.Value); d.Value == nil {
		d.Base64 = v.Value
	}
	return d, nil
}

// readable is the JSON form of a value of a built-in type or of JSON; nil for others and for bytes that are not of their type.
func readable(typename string, value []byte) json.RawMessage {
	if typename == typeJSON && json.Valid(value) {
		return value
	}
	kind, ok := strings.CutPrefix(typename, builtinTypes)
	if !ok {
		return nil
	}
	text, ok := (&egress.Payload{Typename: typename, Value: value}).Text()
	if !ok {
		return nil
	}
	switch kind {
	case "bool", "int", "long":
		return json.RawMessage(text)
	case "float", "double":
		if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return json.RawMessage(text)
		}
		return quoted(text)
	case "string":
		return quoted(text)
	}
	return nil
}

// quoted is a text as JSON.
func quoted(text string) json.RawMessage {
	b, err := json.Marshal(text)
	if err != nil {
		return nil // a string always encodes
	}
	return b
}
