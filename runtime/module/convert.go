package module

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// converter turns the YAML library's tree into nodes: aliases and merge keys resolved, duplicate keys reported.
type converter struct {
	*loader
	file   string
	line   int // lines of the file before the document's text
	tokens int // still allowed in this file
	nodes  int // still allowed in this file

	anchors map[string]ast.Node // of this document, by name
	open    map[string]bool     // anchors being expanded now: meeting one again is a cycle
	failed  bool                // this document has an error of this stage
}

func (c *converter) at(line, column int) Position {
	return Position{File: c.file, Line: c.line + line, Column: column}
}

func (c *converter) place(n ast.Node) Position {
	tk := n.GetToken()
	if tk == nil || tk.Position == nil {
		return c.at(1, 1)
	}
	return c.at(tk.Position.Line, tk.Position.Column)
}

func (c *converter) fail(at Position, hint, format string, args ...any) *node {
	c.failed = true
	c.errorf(at, hint, format, args...)
	return &node{at: at, broken: true}
}

func (c *converter) tooDeep(at Position) *node {
	return c.fail(at, "a module needs fewer than ten levels", "maps and lists are nested too deeply")
}

// convert gives the node of n, which lies depth levels deep.
func (c *converter) convert(n ast.Node, depth int) *node {
	if n == nil {
		return &node{at: c.at(1, 1), broken: true}
	}
	at := c.place(n)
	if depth > maxDepth {
		return c.tooDeep(at)
	}
	if c.nodes--; c.nodes < 0 {
		if c.nodes == -1 {
			return c.fail(at, "repeat less with aliases", "the file holds more than %d values with its aliases expanded", maxNodes)
		}
		c.failed = true
		return &node{at: at, broken: true}
	}
	switch v := n.(type) {
	case *ast.MappingNode:
		return c.mapping(v.Values, at, v.IsFlowStyle, depth)
	case *ast.MappingValueNode:
		return c.mapping([]*ast.MappingValueNode{v}, at, false, depth)
	case *ast.SequenceNode:
		list := &node{kind: listNode, at: at}
		for _, item := range v.Values {
			list.items = append(list.items, c.convert(item, depth+1))
		}
		return list
	case *ast.AnchorNode:
		if v.Name == nil || v.Value == nil {
			return c.fail(at, "write &name before a value", "an anchor without name or value")
		}
		name := v.Name.String()
		c.anchors[name] = v.Value
		return c.expandAnchor(name, v.Value, depth+1)
	case *ast.AliasNode:
		return c.alias(v, at, depth)
	case *ast.TagNode:
		return c.tag(v, at, depth)
	default:
		return c.scalar(n, at)
	}
}

// expandAnchor converts an anchored value; an alias of the same name inside it is a cycle.
func (c *converter) expandAnchor(name string, value ast.Node, depth int) *node {
	was := c.open[name]
	c.open[name] = true
	out := c.convert(value, depth)
	c.open[name] = was
	return out
}

func (c *converter) alias(v *ast.AliasNode, at Position, depth int) *node {
	if v.Value == nil {
		return c.fail(at, "write *name", "an alias without name")
	}
	name := v.Value.String()
	target, ok := c.anchors[name]
	if !ok {
		known := make([]string, 0, len(c.anchors))
		for k := range c.anchors {
			known = append(known, k)
		}
		hint := "an anchor &" + name + " must stand before it in the same document"
		if near := nearest(name, sorted(known)); near != "" {
			hint = "did you mean *" + near + "?"
		}
		return c.fail(at, hint, "alias *%s has no anchor", name)
	}
	if c.open[name] {
		return c.fail(at, "repeat the value instead", "alias *%s contains itself", name)
	}
	return c.expandAnchor(name, target, depth+1)
}

func (c *converter) tag(v *ast.TagNode, at Position, depth int) *node {
	switch tag := v.Start.Value; tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!":
		if v.Value == nil {
			return &node{kind: scalarNode, at: at}
		}
		out := c.convert(v.Value, depth+1)
		if tag == "!!str" && out.kind == nullNode && !out.broken {
			out.kind, out.text = scalarNode, v.Value.GetToken().Value
		}
		return out
	default:
		return c.fail(at, "leave it out", "tag %s has no meaning here", tag)
	}
}

func (c *converter) scalar(n ast.Node, at Position) *node {
	switch v := n.(type) {
	case *ast.NullNode:
		return &node{at: at}
	case *ast.StringNode:
		return &node{kind: scalarNode, text: v.Value, at: at}
	case *ast.LiteralNode:
		return &node{kind: scalarNode, text: v.Value.Value, at: at}
	case ast.ScalarNode:
		return &node{kind: scalarNode, text: strings.TrimSpace(n.GetToken().Value), at: at}
	default:
		return c.fail(at, "write a value, a map or a list", "unexpected %s", n.Type())
	}
}

// mapping converts a map. Its own keys come first and beat merged ones; of merged maps the earlier beats the later.
func (c *converter) mapping(pairs []*ast.MappingValueNode, at Position, flow bool, depth int) *node {
	out := &node{kind: mapNode, at: at}
	seen := map[string]Position{}
	var merges []ast.Node
	for i, pair := range pairs {
		keyAt := c.place(pair.Key)
		if i == 0 && !flow { // the library places it at the colon
			out.at = keyAt
		}
		if _, merge := pair.Key.(*ast.MergeKeyNode); merge {
			merges = append(merges, pair.Value)
			continue
		}
		key, ok := c.key(pair.Key, depth)
		if !ok {
			continue
		}
		if first, twice := seen[key]; twice {
			c.fail(keyAt, "keep one of them", "key %q is already given at line %d", key, first.Line)
			continue
		}
		seen[key] = keyAt
		out.fields = append(out.fields, field{key, keyAt, c.convert(pair.Value, depth+1)})
	}
	for _, m := range merges {
		c.merge(out, seen, c.convert(m, depth+1))
	}
	return out
}

func (c *converter) key(n ast.Node, depth int) (string, bool) {
	if k, ok := n.(*ast.MappingKeyNode); ok {
		n = k.Value
	}
	k := c.convert(n, depth+1)
	if k.broken {
		return "", false
	}
	if k.kind == nullNode && n.GetToken() != nil {
		return n.GetToken().Value, true // null: and ~: are text as keys
	}
	if k.kind != scalarNode {
		c.fail(k.at, "write a text", "a key is %s", k.kind)
		return "", false
	}
	return k.text, true
}

func (c *converter) merge(out *node, seen map[string]Position, from *node) {
	sources := []*node{from}
	if from.kind == listNode {
		sources = from.items
	}
	for _, src := range sources {
		if src.broken {
			continue
		}
		if src.kind != mapNode {
			c.fail(src.at, "write <<: *name, where &name is before a map", "<< merges maps, and this is %s", src.kind)
			continue
		}
		for _, f := range src.fields {
			if _, own := seen[f.key]; !own {
				seen[f.key] = f.keyAt
				out.fields = append(out.fields, f)
			}
		}
	}
}
