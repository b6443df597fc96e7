package module

// nodeKind is the shape of a YAML value.
type nodeKind uint8

const (
	nullNode nodeKind = iota
	scalarNode
	mapNode
	listNode
)

// String names the shape for messages.
func (k nodeKind) String() string {
	switch k {
	case scalarNode:
		return "a single value"
	case mapNode:
		return "a map"
	case listNode:
		return "a list"
	default:
		return "empty"
	}
}

// node is a YAML value with its place; aliases and merge keys are resolved, scalars are text whatever their
// quoting. A tree of them is a tree: no node has two parents, so substitution may write in place.
type node struct {
	kind   nodeKind
	text   string  // of a scalar
	fields []field // of a map, in the order of the file, keys unique
	items  []*node // of a list
	at     Position
	broken bool // an error about it was reported already
}

type field struct {
	key   string
	keyAt Position
	value *node
}

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	for _, f := range n.fields {
		if f.key == key {
			return f.value
		}
	}
	return nil
}
