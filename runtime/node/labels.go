package node

import (
	"maps"
	"slices"
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

// typeLabels are the function types that metrics name, for good: the first that are seen. Whoever sends messages names types, so there must
// be an end to them, over all workers together.
type typeLabels struct {
	mu    sync.Mutex
	named map[core.FunctionType]bool // guarded by mu
}

// fold adds up the counters of the types that are not named, under core.OtherTypes.
func (l *typeLabels) fold(types map[core.FunctionType]core.TypeStats) map[core.FunctionType]core.TypeStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.named == nil {
		l.named = map[core.FunctionType]bool{core.OtherTypes: true}
	}
	sums := map[core.FunctionType]core.TypeStats{}
	for _, t := range slices.Sorted(maps.Keys(types)) {
		if !l.named[t] && len(l.named) <= core.MaxCountedTypes {
			l.named[t] = true
		}
		label := core.OtherTypes
		if l.named[t] {
			label = t
		}
		sums[label] = sums[label].Plus(types[t])
	}
	return sums
}
