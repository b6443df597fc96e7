package module

import (
	"fmt"
	"strings"
)

// TypeName is a name in two parts, written namespace/name: of a function type, an ingress or an egress.
type TypeName struct {
	Namespace string // may be empty, as in StateFun
	Name      string
}

// String gives namespace/name.
func (t TypeName) String() string { return t.Namespace + "/" + t.Name }

// MarshalText writes the name as String does, so that it stands as text in JSON.
func (t TypeName) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// ParseTypeName reads namespace/name. It splits as StateFun's runtime does: exactly two parts, where slashes at the
// end are forgiven and an empty namespace passes.
func ParseTypeName(s string) (TypeName, error) {
	parts := strings.Split(strings.TrimRight(s, "/"), "/")
	if len(parts) != 2 {
		return TypeName{}, fmt.Errorf("%q is not a name of the form namespace/name", s)
	}
	return TypeName{Namespace: parts[0], Name: parts[1]}, nil
}

// Pattern says which function types an endpoint serves: one of them, or all of a namespace when Name is "*".
type Pattern struct {
	Namespace string
	Name      string
}

// ParsePattern reads namespace/name or namespace/*. Other uses of * are refused.
func ParsePattern(s string) (Pattern, error) {
	t, err := ParseTypeName(s)
	if err != nil {
		return Pattern{}, err
	}
	if strings.Contains(t.Namespace, "*") || (t.Name != "*" && strings.Contains(t.Name, "*")) {
		return Pattern{}, fmt.Errorf("%q uses * for a part of a name", s)
	}
	return Pattern(t), nil
}

// String gives namespace/name or namespace/*.
func (p Pattern) String() string { return p.Namespace + "/" + p.Name }

// MarshalText writes the pattern as String does.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Wildcard reports whether the pattern stands for all of its namespace.
func (p Pattern) Wildcard() bool { return p.Name == "*" }

// Matches reports whether t is served by the pattern. A more specific pattern may still come first: see
// Application.EndpointFor.
func (p Pattern) Matches(t TypeName) bool {
	return p.Namespace == t.Namespace && (p.Wildcard() || p.Name == t.Name)
}
