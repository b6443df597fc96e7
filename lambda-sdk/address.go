package stateway

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// FunctionType names a function: namespace/name, both not empty, with exactly one slash.
type FunctionType string

// At returns the Address of the instance with the given id. Any UTF-8 text is an id.
func (f FunctionType) At(id string) Address {
	return Address{Type: f, ID: id}
}

// Address names one instance of a function. The zero Address names none.
type Address struct {
	Type FunctionType
	ID   string
}

// String returns namespace/name/id.
func (a Address) String() string {
	return string(a.Type) + "/" + a.ID
}

func (a Address) check() error {
	if _, _, err := splitName(string(a.Type)); err != nil {
		return fmt.Errorf("target %q: function type %w", a.String(), err)
	}
	if !utf8.ValidString(a.ID) {
		return fmt.Errorf("target %q: the id is not UTF-8; encode binary ids, for example as hex", a.String())
	}
	return nil
}

// EgressID names an egress of the application file: namespace/name.
type EgressID string

// PlaygroundEgress is the id that every playground egress has.
const PlaygroundEgress EgressID = "io.statefun.playground/egress"

// checkName says what is wrong with a namespace/name that this program chose itself.
func checkName(name string) error {
	if strings.Count(name, "/") > 1 {
		return fmt.Errorf("%q has more than one slash; write namespace/name", name)
	}
	_, _, err := splitName(name)
	return err
}

// splitName splits at the last slash, so that a name which came from outside with several goes back as it came.
func splitName(name string) (namespace, rest string, err error) {
	i := strings.LastIndexByte(name, '/')
	if i <= 0 || i == len(name)-1 {
		return "", "", fmt.Errorf("%q is not of the form namespace/name", name)
	}
	if !utf8.ValidString(name) {
		return "", "", fmt.Errorf("%q is not UTF-8", name)
	}
	return name[:i], name[i+1:], nil
}
