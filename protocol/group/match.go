package group

import "strings"

// Match finds out which call each answer answers, and counts those that answer none. The zero Match needs a Reset; it
// may be used again.
type Match struct {
	index    map[string]int32
	answered []bool
	stray    Stray
}

// Stray counts answers that are dropped: none of them has an effect.
type Stray struct {
	Doubled int // the call was answered before in this group
	Older   int // a try that is not of this group: given up, or of another time
	Unknown int // an id that no node has made
}

// Reset forgets the last group.
func (m *Match) Reset() {
	if m.index == nil {
		m.index = make(map[string]int32)
	}
	clear(m.index)
	m.answered = m.answered[:0]
	m.stray = Stray{}
}

// Asked adds a call, in the order of the group. Ids differ.
func (m *Match) Asked(id string) {
	m.index[id] = int32(len(m.answered)) //nolint:gosec // at most MaxItems
	m.answered = append(m.answered, false)
}

// Answered returns the number of the call, counted from 0, that the answer belongs to. It is false for an answer that
// has to be dropped. The first answer to a call counts.
func (m *Match) Answered(id string) (call int, ok bool) {
	i, known := m.index[id]
	switch {
	case known && !m.answered[i]:
		m.answered[i] = true
		return int(i), true
	case known:
		m.stray.Doubled++
	case isTry(id):
		m.stray.Older++
	default:
		m.stray.Unknown++
	}
	return 0, false
}

// Missing calls f with the number of each call that has no answer, in order.
func (m *Match) Missing(f func(call int)) {
	for i, answered := range m.answered {
		if !answered {
			f(i)
		}
	}
}

// Stray returns what was dropped since Reset.
func (m *Match) Stray() Stray { return m.stray }

// isTry reports whether an id has the form that nodes make: generation, nonce, worker and number, with hyphens between.
func isTry(id string) bool {
	parts := 0
	for part := range strings.SplitSeq(id, "-") {
		hex := parts == 1
		parts++
		if part == "" || len(part) > 20 || parts > 4 {
			return false
		}
		for _, c := range []byte(part) {
			if !isDigit(c) && (!hex || c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return parts == 4
}
