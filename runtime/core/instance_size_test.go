package core

import (
	"testing"
	"unsafe"
)

// The lines of an instance are as its comment says.
func TestInstanceLines(t *testing.T) {
	var in instance
	for what, at := range map[string]uintptr{
		"load": unsafe.Offsetof(in.load), "taken": unsafe.Offsetof(in.taken), "place": unsafe.Offsetof(in.place),
		"first": unsafe.Offsetof(in.first), "behind": unsafe.Offsetof(in.behind), "its end": unsafe.Sizeof(in),
	} {
		if unsafe.Sizeof(at) == 8 && at%64 != 0 {
			t.Errorf("%s stands at %d: no line begins there", what, at)
		}
	}
}
