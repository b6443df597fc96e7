package group

import (
	"sync"

	"github.com/stateway/stateway/faas/reqreply"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/runtime/core"
)

// Size is what an invocation adds to a group, in bytes, without encoding it: for core.GroupDispatcherConfig. The group's length is that
// of its items and of group.SizeEmpty; a Packed one is shorter than that. It is safe for concurrent use.
func (a *Asker) Size(enc group.Encoding, inv *core.Invocation) int {
	s := sizers.Get().(*sizer)
	defer sizers.Put(s)
	call := a.call(inv)
	s.id = appendTry(s.id[:0], inv.Try)
	call.ID = string(s.id)
	return group.SizeCallOf(enc, &call, s.items.Measure(inv))
}

// sizer measures invocations. What it keeps holds nothing of them.
type sizer struct {
	items reqreply.Codec
	id    []byte
}

var sizers = sync.Pool{New: func() any { return new(sizer) }}
