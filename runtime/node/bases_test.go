package node

import (
	"sync/atomic"
	"testing"

	"github.com/stateway/stateway/runtime/shard"
)

// A shard that is overdue at the start is not copied while its own base and segments are still being read.
func TestBaseOfARestoringShardWaits(t *testing.T) {
	g := &generation{stores: []*shard.Store{nil}, serving: make([]atomic.Bool, 1)}
	restoring := make(chan struct{})
	go func() {
		defer close(restoring)
		g.stores[0] = &shard.Store{}
	}()
	b, err := g.refreshBase(t.Context(), 0, nil)
	if b != nil || err != nil {
		t.Fatalf("base %v, error %v; want none", b, err)
	}
	<-restoring
}
