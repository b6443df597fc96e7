package egress_test

import (
	"testing"

	"github.com/stateway/stateway/runtime/egress"
)

func TestWindow(t *testing.T) {
	small := egress.Record{Typename: "a/b", Value: make([]byte, 10)}
	huge := egress.Record{Typename: "a/b", Value: make([]byte, 10_000)}
	size, hugeSize := egress.WindowSize(&small), egress.WindowSize(&huge)
	w := egress.NewWindow(2, 3, 10*size)
	tests := []struct {
		name string
		lane int
		recs []egress.Record
		want int
		free bool // everything of the lane first
	}{
		{"as many records as fit", 0, []egress.Record{small, small, small, small}, 3, false},
		{"none while it is full", 0, []egress.Record{small}, 0, false},
		{"the other lane has its own room", 1, []egress.Record{small}, 1, false},
		{"a record larger than the window, alone", 0, []egress.Record{huge, small}, 1, true},
		{"not beside another", 1, []egress.Record{huge}, 0, false},
		{"nothing", 1, nil, 0, false},
	}
	held := map[int][]egress.Record{}
	for _, tt := range tests {
		if tt.free {
			var bytes int64
			for i := range held[tt.lane] {
				bytes += egress.WindowSize(&held[tt.lane][i])
			}
			w.Release(tt.lane, len(held[tt.lane]), bytes)
			held[tt.lane] = nil
		}
		if got := w.Reserve(tt.lane, tt.recs); got != tt.want {
			t.Errorf("%s: room for %d, want %d", tt.name, got, tt.want)
		}
		held[tt.lane] = append(held[tt.lane], tt.recs[:tt.want]...)
		if got := w.Open(tt.lane); got != len(held[tt.lane]) {
			t.Errorf("%s: %d open, want %d", tt.name, got, len(held[tt.lane]))
		}
	}
	if hugeSize <= 10*size {
		t.Errorf("the huge record has %d bytes, the window %d", hugeSize, 10*size)
	}
}
