package core

import (
	"strings"
	"testing"
)

// What can be told from the try alone is refused before the endpoint counts the answer as its success.
func TestCheckerKnowsTheStatesOfATry(t *testing.T) {
	c := NewChecker(&Application{EndpointOf: func(FunctionType) (EndpointID, bool) { return 0, true }})
	inv := &Invocation{
		States: []NamedValue{{Name: "n"}, {Name: "m"}},
		specs:  []StateSpec{{Name: "n", Typename: "a/n"}, {Name: "m", Typename: unsetType}, {Name: "other", Typename: "a/o"}},
	}
	first := &Invocation{specs: inv.specs} // it left the states out
	ask := func(specs ...StateSpec) *Response { return &Response{Incomplete: true, Missing: specs} }
	set := func(name, typename string) *Response {
		return &Response{Mutations: []Mutation{{Name: name, Typename: typename, Value: Value("x")}}}
	}
	for _, o := range []struct {
		what string
		inv  *Invocation
		resp *Response
		want string
	}{
		{"right type", inv, set("n", "a/n"), ""},
		{"no type where none is declared", inv, set("m", ""), ""},
		{"deleted", inv, &Response{Mutations: []Mutation{{Name: "n", Delete: true}}}, ""},
		{"another type", inv, set("n", "b/n"), `a value of type b/n for state "n", which is of type a/n`},
		{"not carried", inv, set("other", "a/o"), `state "other", which the function has not declared`},
		{"more states", inv, ask(StateSpec{Name: "new", Typename: "a/x"}), ""},
		{"the first answer", first, ask(StateSpec{Name: "n", Typename: "a/n"}), ""},
		{"the first answer names none", first, ask(), ""},
		{"the first answer changes a type", first, ask(StateSpec{Name: "n", Typename: "b/n"}), `state "n" is of type a/n, and the function now declares it as b/n`},
		{"no more states", inv, ask(StateSpec{Name: "n", Typename: "a/n"}), `asks for states that it was given, "n" among them`},
		{"names none", inv, ask(), "names none"},
		{"no name", inv, ask(StateSpec{Typename: "a/x"}), "has no name"},
		{"a time to live below zero", inv, ask(StateSpec{Name: "new", Mode: ExpireAfterWrite, TTL: -1}), "must be positive"},
	} {
		err := c.Check(o.inv, o.resp)
		if (err == nil) != (o.want == "") || err != nil && !strings.Contains(err.Error(), o.want) {
			t.Errorf("%s: got %v, want %q", o.what, err, o.want)
		}
	}
}
