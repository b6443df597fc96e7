package core

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is taken out of its middle, a queue gives the others in their order, has few holes, and reads each ahead before it gives it.
func TestReadyQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q readyQueue
		var want []*instance // what is in the queue
		warm := map[*instance]bool{}
		pop := func() *instance {
			for q.len() > 0 {
				for _, in := range q.ahead() {
					warm[in] = true
				}
				if in := q.pop(); in != nil {
					return in
				}
			}
			return nil
		}
		for range rapid.IntRange(1, 50).Draw(t, "rounds") {
			for range rapid.IntRange(0, 200).Draw(t, "pushed") {
				in := &instance{}
				q.push(in)
				want = append(want, in)
			}
			for range rapid.IntRange(0, 200).Draw(t, "popped") {
				got := pop()
				if len(want) == 0 {
					if got != nil {
						t.Fatal("an empty queue gives an instance")
					}
					continue
				}
				if got != want[0] || !warm[got] {
					t.Fatalf("got %p, want %p; read ahead %t", got, want[0], warm[got])
				}
				want = want[1:]
			}
			for range min(len(want), rapid.IntRange(0, 200).Draw(t, "removed")) {
				i := rapid.IntRange(0, len(want)-1).Draw(t, "which")
				q.remove(want[i])
				want = slices.Delete(slices.Clone(want), i, i+1)
			}
			if q.len()-q.holes != len(want) || q.len() > max(2*len(want), len(want)+fewHoles)+1 {
				t.Fatalf("%d in the queue, %d holes, want %d", q.len(), q.holes, len(want))
			}
		}
	})
}

// The places of instances stay right when the queue's memory is used again.
func TestLongReadyQueue(t *testing.T) {
	var q readyQueue
	var want []*instance
	for i := range 20_000 {
		in := &instance{}
		q.push(in)
		want = append(want, in)
		switch {
		case i%2 == 1:
			got := q.pop()
			for got == nil {
				got = q.pop()
			}
			if got != want[0] {
				t.Fatalf("after %d, pop gives another", i)
			}
			want = want[1:]
		case i%6 == 0:
			q.remove(want[len(want)/2])
			want = slices.Delete(want, len(want)/2, len(want)/2+1)
		}
	}
	for q.len() > 0 {
		if got := q.pop(); got != nil {
			if got != want[0] {
				t.Fatal("pop gives another")
			}
			want = want[1:]
		}
	}
	if len(want) > 0 || q.holes != 0 {
		t.Errorf("%d are lost, %d holes", len(want), q.holes)
	}
}
