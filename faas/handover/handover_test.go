package handover_test

import (
	"sync"
	"testing"

	"github.com/stateway/stateway/faas/handover"
	"github.com/stateway/stateway/runtime/core"
)

func TestEveryResultIsReceivedOnceAndInOrder(t *testing.T) {
	const goroutines, each = 8, 1000
	last := make(map[string]int)
	n, inside := 0, false
	q := handover.New(func(rs []core.Result) {
		if inside {
			t.Error("the receiver is called twice at a time")
		}
		inside = true
		for _, r := range rs {
			id := r.Invocation.Target.ID
			if r.Invocation.Attempt != last[id]+1 {
				t.Errorf("%s: %d after %d", id, r.Invocation.Attempt, last[id])
			}
			last[id] = r.Invocation.Attempt
			n++
		}
		inside = false
	})
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			id := string(rune('a' + g))
			for i := 1; i <= each; i += 2 {
				q.Put(
					core.Result{Invocation: &core.Invocation{Target: core.Address{ID: id}, Attempt: i}},
					core.Result{Invocation: &core.Invocation{Target: core.Address{ID: id}, Attempt: i + 1}},
				)
			}
		})
	}
	wg.Wait()
	if n != goroutines*each {
		t.Errorf("received %d, want %d", n, goroutines*each)
	}
	q.Close()
	q.Put(core.Result{})
	if n != goroutines*each {
		t.Error("a result was delivered after Close")
	}
}
