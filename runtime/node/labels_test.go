package node

import (
	"fmt"
	"testing"

	"github.com/stateway/stateway/runtime/core"
)

// Metrics name a thousand function types at most, the first ones for good; the counts of all others are added up.
func TestTypeLabels(t *testing.T) {
	var l typeLabels
	types := map[core.FunctionType]core.TypeStats{"z/early": {In: 1}, core.OtherTypes: {In: 5}}
	if got := l.fold(types); len(got) != 2 || got["z/early"].In != 1 || got[core.OtherTypes].In != 5 {
		t.Errorf("got %v", got)
	}
	for i := range 2 * core.MaxCountedTypes {
		types[core.FunctionType(fmt.Sprintf("a/%d", i))] = core.TypeStats{In: 2}
	}
	for range 2 {
		got := l.fold(types)
		sum := uint64(0)
		for _, st := range got {
			sum += st.In
		}
		if want := uint64(1 + 5 + 4*core.MaxCountedTypes); sum != want {
			t.Errorf("%d messages, want %d", sum, want)
		}
		if len(got) != core.MaxCountedTypes+1 || got["z/early"].In != 1 {
			t.Errorf("%d names, %v of z/early", len(got), got["z/early"])
		}
	}
}
