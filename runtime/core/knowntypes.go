package core

// A function type is named by whoever sends to it: an endpoint that serves a whole namespace has as many types as senders make up. What a
// worker holds of types is bounded by what it holds of their Addresses and rows.

const (
	// MaxCountedTypes is how many function types a worker counts one by one: the first that it sees.
	MaxCountedTypes = 1000
	// OtherTypes is the name under which it counts all others together. No function type has it.
	OtherTypes FunctionType = "other"

	maxIdleTypes = 1024 // known types beyond which those that nothing needs are forgotten
	typeLooks    = 4    // types looked at for each new one; two would do
)

// counted are the counters of a function type.
type counted struct {
	name  FunctionType
	stats TypeStats
}

// statsOf is where a type that is new to the worker counts. One that was forgotten goes on where it stood.
func (w *Worker) statsOf(name FunctionType) *TypeStats {
	if c := w.byName[name]; c != nil {
		return &c.stats
	}
	if len(w.counted) == MaxCountedTypes {
		return &w.uncounted
	}
	c := &counted{name: name}
	w.byName[name] = c
	w.counted = append(w.counted, c)
	return &c.stats
}

// forgetTypes looks at a few types and forgets those that nothing needs.
func (w *Worker) forgetTypes() {
	for range typeLooks {
		if w.look >= len(w.known) {
			w.look = 0
		}
		if t := w.known[w.look]; w.needed(t) {
			w.look++
		} else {
			w.forgetType(t)
		}
	}
}

// needed reports whether a type has instances in memory, or rows with its states, whose types and lives must stay known.
func (w *Worker) needed(t *funcType) bool {
	if t.instances > 0 || t.asking != nil {
		return true
	}
	for _, sh := range w.owned {
		if sh.specs[t.name] != nil {
			return true
		}
	}
	return false
}

func (w *Worker) forgetType(t *funcType) {
	last := len(w.known) - 1
	w.known[t.at] = w.known[last]
	w.known[t.at].at = t.at
	w.known[last] = nil
	w.known = w.known[:last]
	delete(w.types, t.name)
}
