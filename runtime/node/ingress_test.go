package node

import (
	"slices"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

// stream is an ingress that only counts.
type stream struct {
	ingress.Ingress
	committed int
}

func (s *stream) Committed(core.CheckpointID, map[string][]byte) { s.committed++ }

func testSource(positions map[string][]byte) (*source, *stream) {
	g := &generation{coordinator: &coordinatorLoop{
		wake: make(chan struct{}, 1), last: &checkpoint.State{Positions: positions},
	}}
	in := &stream{}
	s := &source{
		id: "in/stream", driver: &ingressDriver{gen: g, cancel: func() {}}, in: in,
		running: map[string]bool{}, again: make(chan struct{}, 1),
	}
	s.driver.sources = []*source{s}
	return s, in
}

// The positions of partitions that the ingress lists no more go with the next manifest: tombstones of closed shards above all.
func TestPartitionsThatAreListedNoMoreAreForgotten(t *testing.T) {
	s, _ := testSource(map[string][]byte{
		"in/stream closed": encodePosition(true, []byte("9")), "in/stream moved": encodePosition(false, []byte("3")),
		"in/stream kept": encodePosition(true, []byte("9")), "in/stream read": encodePosition(false, []byte("4")),
		"in/other x": encodePosition(true, []byte("1")), "in/stream away": encodePosition(false, []byte("5")),
	})
	s.running["read"], s.running["closed"] = true, true
	if !s.begin(t.Context(), []ingress.Partition{{ID: "kept", Ended: true}}) {
		t.Fatal("begin says that it is over")
	}
	c := s.driver.gen.coordinator
	got := c.forgotten(map[string][]byte{"in/stream moved": nil})
	slices.Sort(got)
	if want := []string{"in/stream away", "in/stream closed"}; !slices.Equal(got, want) {
		t.Errorf("forgotten: %q, want %q", got, want)
	}
	if again := c.forgotten(nil); len(again) > 0 || s.running["closed"] {
		t.Errorf("forgotten again: %q, running %v", again, s.running)
	}
}

// The end of a partition asks for the list of partitions once, not with every checkpoint that remembers it.
func TestAnEndIsLookedAtOnce(t *testing.T) {
	s, in := testSource(nil)
	positions := map[string][]byte{"in/stream a": encodePosition(true, []byte("9")), "in/stream b": encodePosition(false, []byte("3"))}
	looked := 0
	for n := range core.CheckpointID(4) {
		if n == 2 {
			positions["in/stream b"] = encodePosition(true, []byte("4"))
		}
		s.driver.committed(n+1, positions)
		select {
		case <-s.again:
			looked++
		default:
		}
	}
	if in.committed != 4 || looked != 2 {
		t.Errorf("told of %d commits, want 4; looked for partitions %d times, want 2", in.committed, looked)
	}
}

func TestPartitionsShareTheirCredit(t *testing.T) {
	n := &Node{cfg: Config{Memory: 512 << 20}}
	for partitions, want := range map[int]int64{1: 8 << 20, 8: 8 << 20, 64: 1 << 20, 100_000: 64 << 10} {
		if got := n.partitionBudget(partitions); got != want {
			t.Errorf("credit of one of %d partitions: %d bytes, want %d", partitions, got, want)
		}
	}
}

func TestQuestionsAfterTheEndAreAnswered(t *testing.T) {
	r := newRequests()
	_, before := r.add()
	r.stop()
	_, after := r.add()
	for _, c := range []<-chan any{before, after} {
		if _, ok := <-c; ok {
			t.Error("an answer came from nowhere")
		}
	}
}
