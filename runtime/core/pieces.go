package core

// What every message needs is got for several at a time, which is less work for the allocator and the garbage collector. One of them that stays in
// use keeps the others in memory, with all that they refer to: so they are few, and what refers to much has memory of its own.
const (
	atOnce    = 15
	pieceSize = 4 << 10 // bytes of values, as counted for budgets, up to which memory is shared; an answer that a value is a part of may be longer
)

// takeFrom takes n from memory that was got for several.
func takeFrom[T any](memory *[]T, n, several int) []T {
	if len(*memory) < n {
		*memory = make([]T, max(n, several))
	}
	taken := (*memory)[:n:n]
	*memory = (*memory)[n:]
	return taken
}

// invocationMemory is what the next invocations are made of.
type invocationMemory struct {
	several     int // set by forBytes
	invocations []Invocation
	states      []NamedValue
	messages    []*Message
}

// forBytes is memory for an invocation that refers to so many bytes.
func (m *invocationMemory) forBytes(n int64) *invocationMemory {
	if n > pieceSize {
		return &invocationMemory{several: 1}
	}
	m.several = atOnce
	return m
}

func (m *invocationMemory) invocation(messages int) *Invocation {
	inv := &takeFrom(&m.invocations, 1, m.several)[0]
	inv.Messages = takeFrom(&m.messages, messages, m.several)
	return inv
}

func (m *invocationMemory) values(n int) []NamedValue { return takeFrom(&m.states, n, m.several) }
