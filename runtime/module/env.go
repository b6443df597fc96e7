package module

import (
	"fmt"
	"strings"
)

// substitute replaces ${NAME} and ${NAME:-default} in every scalar below n, and $${ by ${. What comes out is text:
// it is not read as YAML again.
func (l *loader) substitute(n *node) {
	switch n.kind {
	case scalarNode:
		if strings.Contains(n.text, "${") {
			n.text, n.broken = l.expand(n.text, n.at)
		}
	case mapNode:
		for _, f := range n.fields {
			l.substitute(f.value)
		}
	case listNode:
		for _, item := range n.items {
			l.substitute(item)
		}
	case nullNode:
	}
}

// expand gives the text with its variables filled in, and whether that went wrong.
func (l *loader) expand(s string, at Position) (expanded string, broken bool) {
	var out strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		if i > 0 && s[i-1] == '$' {
			out.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		out.WriteString(s[:i])
		inside, rest, closed := strings.Cut(s[i+2:], "}")
		if !closed {
			l.errorf(at, "write ${NAME}, or $${ for a literal ${", "${ is not closed by }")
			return s, true
		}
		value, ok := l.variable(inside, at)
		broken = broken || !ok
		out.WriteString(value)
		s = rest
	}
	out.WriteString(s)
	return out.String(), broken
}

// variable looks up the inside of ${…}. The default stands in when the variable is not set or is empty.
func (l *loader) variable(inside string, at Position) (string, bool) {
	name, fallback, hasFallback := strings.Cut(inside, ":-")
	if !variableName(name) {
		l.errorf(at, "write ${NAME} or ${NAME:-default}, or $${ for a literal ${",
			"${%s} does not name an environment variable", inside)
		return "", false
	}
	value, set := l.env(name)
	if hasFallback && value == "" {
		return fallback, true
	}
	if !set {
		hint := fmt.Sprintf("set it, or give a default: ${%s:-…}", name)
		if name == "function.name" {
			hint = "the placeholder of URLs has no dollar sign: {function.name}"
		}
		l.errorf(at, hint, "environment variable %s is not set", name)
	}
	return value, set
}

func variableName(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return s != ""
}
