package reqreply

import "strings"

// Names kept per codec, and the longest of them. A function that makes names up must not fill the memory.
const (
	maxNames    = 512
	maxNameSize = 256
)

// names keeps texts that occur in answer after answer, so that each is allocated once and pins no answer's bytes.
type names struct {
	known map[string]string
	buf   [maxNameSize]byte
}

// keep returns s as a text that does not alias an answer.
func (n *names) keep(s string) string {
	if k, ok := n.known[s]; ok {
		return k
	}
	return n.add(strings.Clone(s))
}

func (n *names) add(s string) string {
	if len(s) > maxNameSize {
		return s
	}
	if n.known == nil || len(n.known) >= maxNames {
		n.known = make(map[string]string)
	}
	n.known[s] = s
	return s
}

// join returns namespace/name, and whether both parts are such as a module file can name.
func (n *names) join(namespace, name string) (string, bool) {
	if namespace == "" || name == "" || strings.IndexByte(namespace, '/') >= 0 || strings.IndexByte(name, '/') >= 0 {
		return "", false
	}
	if len(namespace)+1+len(name) > maxNameSize {
		return namespace + "/" + name, true
	}
	b := append(n.buf[:0], namespace...)
	b = append(b, '/')
	b = append(b, name...)
	if k, ok := n.known[string(b)]; ok {
		return k, true
	}
	return n.add(string(b)), true
}
