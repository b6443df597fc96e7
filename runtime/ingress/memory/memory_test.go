package memory_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/ingresstest"
	"github.com/stateway/stateway/runtime/ingress/memory"
)

func records(n int) []ingress.Record {
	recs := make([]ingress.Record, n)
	for i := range recs {
		recs[i] = ingress.Record{Key: fmt.Sprint("k", i), Typename: "a/b", Value: fmt.Append(nil, i), Dedupe: fmt.Sprint("d", i)}
	}
	return recs
}

func TestConformance(t *testing.T) {
	for _, ends := range []bool{false, true} {
		ingresstest.Run(t, func(t *testing.T) ingresstest.Setup {
			log := memory.NewLog(memory.Options{Router: ingress.Targets("x/one", "x/two")})
			for i, n := range []int{200, 3} {
				id := fmt.Sprint("p", i)
				log.AddPartition(id)
				log.Append(id, records(n)...)
				if ends {
					log.End(id)
				}
			}
			return ingresstest.Setup{
				Open: func(*testing.T) ingress.Ingress { return memory.Open(log) }, Records: []int{400, 6}, Ends: ends,
			}
		})
	}
}

func ids(parts []ingress.Partition) (out []string) {
	for _, p := range parts {
		out = append(out, p.ID)
	}
	return out
}

func TestChildrenAppearOnceAllParentsEndsAreKnown(t *testing.T) {
	log := memory.NewLog(memory.Options{Router: ingress.Targets("x/one"), Latest: true})
	log.AddPartition("a")
	log.AddPartition("b")
	log.Append("a", records(2)...)
	log.AddPartition("merged", "a", "b")
	log.Append("merged", records(3)...)
	in := memory.Open(log)

	parts, err := in.Partitions(t.Context(), nil)
	if err != nil || fmt.Sprint(ids(parts)) != "[a b]" {
		t.Fatalf("first: %v, %v", parts, err)
	}
	if at, _ := memory.Offset(parts[0].Position); at != 2 {
		t.Errorf("latest is offset %d, want 2", at)
	}
	parts[0].Ended = true
	if parts, _ = in.Partitions(t.Context(), parts); fmt.Sprint(ids(parts)) != "[a b]" {
		t.Fatalf("one parent ended: %v", parts)
	}
	parts[1].Ended = true
	if parts, _ = in.Partitions(t.Context(), parts); fmt.Sprint(ids(parts)) != "[a b merged]" {
		t.Fatalf("both parents ended: %v", parts)
	}
	if at, _ := memory.Offset(parts[2].Position); at != 0 {
		t.Errorf("a partition found later starts at %d, want 0", at)
	}
	log.Forget("a")
	if parts, _ = in.Partitions(t.Context(), parts); fmt.Sprint(ids(parts)) != "[b merged]" {
		t.Fatalf("forgotten parent: %v", parts)
	}
}

func TestErrorsOfOnePartition(t *testing.T) {
	log := memory.NewLog(memory.Options{Router: ingress.Targets("x/one")})
	log.AddPartition("a")
	log.Append("a", records(5)...)
	log.Truncate("a", 2)
	if _, err := log.Fetch("a", memory.Position(1), 10); !errors.Is(err, ingress.ErrTruncated) {
		t.Errorf("below the history: %v", err)
	}
	if _, err := log.Fetch("a", memory.Position(9), 10); !errors.Is(err, ingress.ErrHeld) {
		t.Errorf("beyond the end: %v", err)
	}
	if _, err := log.Fetch("a", []byte("x"), 10); !errors.Is(err, ingress.ErrHeld) {
		t.Errorf("a position of another kind: %v", err)
	}
	broken := errors.New("throttled")
	log.Fail("a", broken)
	if _, err := log.Fetch("a", memory.Position(2), 10); !errors.Is(err, broken) {
		t.Errorf("failing: %v", err)
	}
	log.Fail("a", nil)
	b, err := log.Fetch("a", memory.Position(2), 2)
	if err != nil || len(b.Messages) != 2 {
		t.Errorf("after it: %d messages, %v", len(b.Messages), err)
	}
	log.Append("a", ingress.Record{Typename: "a/b"})
	if _, err := log.Fetch("a", memory.Position(5), 10); !errors.Is(err, ingress.ErrHeld) {
		t.Errorf("a record without key: %v", err)
	}
	memory.Open(log).Committed(4, map[string][]byte{"a": memory.Position(4)})
	if n, positions := log.Committed(); n != 4 || string(positions["a"]) != string(memory.Position(4)) {
		t.Errorf("committed %d %v", n, positions)
	}
}
