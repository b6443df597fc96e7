package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/flink-statefun/statefun-sdk-go/v3/pkg/statefun"
)

// profile is the value of compat/Profile, a JSON type.
type profile struct {
	Name   string `json:"name"`
	Length int    `json:"length"`
}

// textType is a custom type: a text under a typename of its own, its bytes in the given order.
type textType struct {
	name    string
	reverse bool
}

func (t textType) GetTypeName() statefun.TypeName { return statefun.TypeNameFrom(t.name) }

func (t textType) Deserialize(r io.Reader, receiver any) error {
	text, ok := receiver.(*string)
	if !ok {
		return errors.New("receiver must be a *string")
	}
	b, err := io.ReadAll(r)
	if t.reverse {
		slices.Reverse(b)
	}
	*text = string(b)
	return err
}

func (t textType) Serialize(w io.Writer, data any) error {
	text, ok := data.(string)
	if !ok {
		return errors.New("data must be a string")
	}
	b := []byte(text)
	if t.reverse {
		slices.Reverse(b)
	}
	_, err := w.Write(b)
	return err
}

var (
	commandType = textType{name: "compat/Command"}
	blobType    = textType{name: "compat/Blob", reverse: true}
	profileType = statefun.MakeJsonType(statefun.TypeNameFrom("compat/Profile"))
	recordType  = statefun.MakeJsonType(statefun.TypeNameFrom("io.statefun.playground/EgressRecord"))

	typedFunction    = statefun.TypeNameFrom("compat/typed")
	recordsEgress    = statefun.TypeNameFrom("compat/records")
	playgroundEgress = statefun.TypeNameFrom("io.statefun.playground/egress")
)

// kind is a type of values under its short name in commands.
type kind struct {
	name      string
	valueType statefun.SimpleType
	parse     func(string) (any, error)
	receiver  func() any
}

var (
	boolKind    = kind{"bool", statefun.BoolType, func(s string) (any, error) { return s == "true", nil }, func() any { return new(bool) }}
	intKind     = kind{"int", statefun.Int32Type, parseInt32, func() any { return new(int32) }}
	longKind    = kind{"long", statefun.Int64Type, func(s string) (any, error) { return strconv.ParseInt(s, 10, 64) }, func() any { return new(int64) }}
	floatKind   = kind{"float", statefun.Float32Type, parseFloat32, func() any { return new(float32) }}
	doubleKind  = kind{"double", statefun.Float64Type, func(s string) (any, error) { return strconv.ParseFloat(s, 64) }, func() any { return new(float64) }}
	stringKind  = kind{"string", statefun.StringType, parseText, func() any { return new(string) }}
	profileKind = kind{"profile", profileType, func(s string) (any, error) { return profile{s, len(s)}, nil }, func() any { return new(profile) }}
	blobKind    = kind{"blob", blobType, parseText, func() any { return new(string) }}

	allKinds = []kind{boolKind, intKind, longKind, floatKind, doubleKind, stringKind, profileKind, blobKind}
)

func parseText(s string) (any, error) { return s, nil }

func parseInt32(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err
}

func parseFloat32(s string) (any, error) {
	n, err := strconv.ParseFloat(s, 32)
	return float32(n), err
}

type state struct {
	spec statefun.ValueSpec
	kind kind
}

const lifetime = 3 * time.Second

// allStates are the states of the command functions, in the order in which they are dumped.
var allStates = []state{
	newState("count", intKind, statefun.Expiration{}),
	newState("flag", boolKind, statefun.Expiration{}),
	newState("ratio", floatKind, statefun.Expiration{}),
	newState("label", stringKind, statefun.Expiration{}),
	newState("profile", profileKind, statefun.Expiration{}),
	newState("blob", blobKind, statefun.Expiration{}),
	newState("log", stringKind, statefun.Expiration{}),
	newState("written", stringKind, statefun.ExpireAfterWrite(lifetime)),
	newState("invoked", stringKind, statefun.ExpireAfterCall(lifetime)),
	newState("big", longKind, statefun.Expiration{}),
	newState("precise", doubleKind, statefun.Expiration{}),
}

func newState(name string, k kind, expiration statefun.Expiration) state {
	return state{spec: statefun.ValueSpec{Name: name, ValueType: k.valueType, Expiration: expiration}, kind: k}
}

// show prints what a receiver holds.
func show(receiver any) string {
	switch v := receiver.(type) {
	case *bool:
		return strconv.FormatBool(*v)
	case *int32:
		return strconv.Itoa(int(*v))
	case *int64:
		return strconv.FormatInt(*v, 10)
	case *float32:
		return strconv.FormatFloat(float64(*v), 'g', -1, 32)
	case *float64:
		return strconv.FormatFloat(*v, 'g', -1, 64)
	case *string:
		return quote(*v)
	case *profile:
		return fmt.Sprintf("%s:%d", quote(v.Name), v.Length)
	}
	return fmt.Sprintf("unknown receiver %T", receiver)
}

// quote makes one word of any text.
func quote(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func unquote(words []string) ([]string, error) {
	texts := make([]string, len(words))
	for i, word := range words {
		text, err := url.PathUnescape(word)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}
