package module

import (
	"maps"
	"slices"
)

// object reads a map key by key and notes which keys exist, so that done can report the others. Every reader
// reports what is wrong and then returns its default, so that one pass finds all problems.
type object struct {
	l     *loader
	what  string // for messages: "transport", "startupPosition"
	node  *node
	known []string
}

// object returns a reader of n, or nil after a report if n is no map.
func (l *loader) object(n *node, what string) *object {
	if n.broken {
		return nil
	}
	if n.kind != mapNode {
		l.errorf(n.at, "write its keys below it, indented", "%s must be a map, and is %s", what, n.kind)
		return nil
	}
	return &object{l: l, what: what, node: n}
}

// empty returns a reader of a map without keys, for an absent part whose defaults apply.
func (l *loader) empty(at Position, what string) *object {
	return &object{l: l, what: what, node: &node{kind: mapNode, at: at}}
}

// value returns what a key holds; nil if the key is absent, is null, or is reported already.
func (o *object) value(key string) *node {
	o.known = append(o.known, key)
	n := o.node.get(key)
	if n == nil || n.kind == nullNode || n.broken {
		return nil
	}
	return n
}

// has reports whether the key is there with a value, a broken one too.
func (o *object) has(key string) bool {
	n := o.node.get(key)
	return n != nil && (n.kind != nullNode || n.broken)
}

// keyAt returns the place of a key that is there.
func (o *object) keyAt(key string) Position {
	for _, f := range o.node.fields {
		if f.key == key {
			return f.keyAt
		}
	}
	return o.node.at
}

// required is value, and reports a key that is absent or null.
func (o *object) required(key, hint string) *node {
	n := o.value(key)
	if n == nil && !o.has(key) {
		at := o.node.at
		if o.node.get(key) != nil {
			at = o.keyAt(key)
		}
		o.l.errorf(at, hint, "%s needs the key %q", o.what, key)
	}
	return n
}

// sub returns a reader of the map under key, nil if absent or broken.
func (o *object) sub(key string) *object {
	n := o.value(key)
	if n == nil {
		return nil
	}
	return o.l.object(n, key)
}

// variant reads a part whose key "type" says what it is: {type: x, …}, or the type alone as text. If it is absent or
// broken, ok is false.
func (o *object) variant(key, fallback string) (part *object, kind *node, ok bool) {
	n := o.value(key)
	if n == nil {
		return nil, nil, false
	}
	if n.kind == scalarNode {
		return o.l.empty(n.at, key), n, true
	}
	part = o.l.object(n, key)
	if part == nil {
		return nil, nil, false
	}
	if fallback != "" && !part.has("type") {
		part.value("type")
		return part, &node{kind: scalarNode, text: fallback, at: n.at}, true
	}
	kind = part.required("type", "write type: with one of the types of "+key)
	return part, kind, kind != nil
}

// done reports the keys nobody asked for.
func (o *object) done() {
	slices.Sort(o.known)
	known := slices.Compact(o.known)
	for _, f := range o.node.fields {
		if _, ok := slices.BinarySearch(known, f.key); !ok {
			o.l.warnf(f.keyAt, didYouMean(f.key, known), "unknown key %q in %s is ignored", f.key, o.what)
		}
	}
}

// id returns the required key "id".
func (o *object) id() (TypeName, *node) {
	n := o.required("id", "write id: namespace/name")
	if n == nil {
		return TypeName{}, nil
	}
	return o.l.name(n, "id")
}

func (l *loader) name(n *node, what string) (TypeName, *node) {
	s, n := l.scalar(n, what)
	if n == nil {
		return TypeName{}, nil
	}
	t, err := ParseTypeName(s)
	if err != nil {
		l.errorf(n.at, "write namespace/name with exactly one slash", "%s: %v", what, err)
		return TypeName{}, nil
	}
	return t, n
}

// list returns the entries of the list under key. A required one must be there and not be empty.
func (o *object) list(key string, required bool) []*node {
	hint := "write its entries below it, each after a dash"
	var n *node
	if required {
		n = o.required(key, hint)
	} else {
		n = o.value(key)
	}
	if n == nil {
		return nil
	}
	if n.kind != listNode {
		o.l.errorf(n.at, hint, "%s must be a list, and is %s", key, n.kind)
		return nil
	}
	if required && len(n.items) == 0 {
		o.l.errorf(n.at, hint, "%s is empty", key)
	}
	return n.items
}

// pairs reads a list of maps with one key each, as - key: value.
func (o *object) pairs(key string, required bool) []field {
	var out []field
	for _, item := range o.list(key, required) {
		if item.broken {
			continue
		}
		if item.kind != mapNode || len(item.fields) != 1 {
			o.l.errorf(item.at, "write each as - key: value", "an entry of %s must be one key with its value", key)
			continue
		}
		out = append(out, item.fields[0])
	}
	return out
}

// properties reads a list of pairs into a map; of one key given twice the last counts, as in Java.
func (o *object) properties(key string) map[string]string {
	var out map[string]string
	for _, p := range o.propertyList(key) {
		if out == nil {
			out = map[string]string{}
		}
		out[p.key] = p.value
	}
	return out
}

// propertyList reads a list of pairs, in its order.
func (o *object) propertyList(key string) []property {
	var out []property
	for _, p := range o.pairs(key, false) {
		if p.value.kind == nullNode {
			if !p.value.broken {
				o.l.errorf(p.keyAt, `write "" for an empty value`, "property %q has no value", p.key)
			}
			continue
		}
		if s, n := o.l.scalar(p.value, "property "+p.key); n != nil {
			out = append(out, property{p.key, s, p.keyAt})
		}
	}
	return out
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
