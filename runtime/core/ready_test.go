package core

import (
	"testing"

	"pgregory.net/rapid"
)

// Whatever is taken out of its middle, a queue gives the others in their order, and each that it reads ahead is one of the next.
func TestReadyQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q readyQueue
		var want []*instance // what is in the queue, nil where one was taken out
		for range rapid.IntRange(0, 3000).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				in := &instance{}
				q.push(in)
				want = append(want, in)
			case 2:
				if len(want) == 0 {
					continue
				}
				if got := q.pop(); got != want[0] {
					t.Fatalf("got %p, want %p", got, want[0])
				}
				want = want[1:]
			case 3:
				if len(want) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(want)-1).Draw(t, "which")
				if want[i] != nil {
					q.remove(want[i])
					want[i] = nil
				}
			case 4:
				next := q.ahead()
				if len(next) > warmed || len(next) > len(want) {
					t.Fatalf("%d of %d are read ahead", len(next), len(want))
				}
				for i, in := range next {
					if in != want[i] {
						t.Fatalf("number %d of those read ahead is not number %d of the queue", i, i)
					}
				}
				if again := q.ahead(); len(next) > 0 && len(again) > 0 {
					t.Fatalf("%d are read ahead twice", len(again))
				}
			}
			if q.len() != len(want) {
				t.Fatalf("%d in the queue, want %d", q.len(), len(want))
			}
		}
	})
}

// The places of instances stay right when the queue's memory is used again.
func TestLongReadyQueue(t *testing.T) {
	var q readyQueue
	want := make([]*instance, 0, 10_000)
	for i := range cap(want) {
		in := &instance{}
		q.push(in)
		want = append(want, in)
		if i%2 == 1 {
			if got := q.pop(); got != want[i/2] {
				t.Fatalf("pop %d gives another", i/2)
			}
		}
		if late := i - i%3 - i/4; i%3 == 2 && late > i/2 {
			if want[late] != nil {
				q.remove(want[late])
				want[late] = nil
			}
		}
	}
	for i := cap(want) / 2; i < cap(want); i++ {
		if got := q.pop(); got != want[i] {
			t.Fatalf("pop %d gives another", i)
		}
	}
	if q.len() != 0 {
		t.Errorf("%d are left", q.len())
	}
}
