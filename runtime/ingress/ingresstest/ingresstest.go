// Package ingresstest is the conformance suite that every ingress and its in-memory twin passes.
package ingresstest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stateway/stateway/runtime/ingress"
)

// Setup is one world to test in. Every test makes a new one, inside a testing/synctest bubble.
type Setup struct {
	// Open opens the ingress on that world; called again, it does so as after a restart.
	Open func(t *testing.T) ingress.Ingress
	// Records is how many messages each partition holds in this world, in the order of Partitions;
	// at least 3 each. Then each partition waits or ends.
	Records []int
	// Ends: the partitions end after these records.
	Ends bool
}

// Run tests a replayable ingress. setup makes a fresh world.
func Run(t *testing.T, setup func(t *testing.T) Setup) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Setup)
	}{
		{"partitions have absolute positions and stay as known", testPartitions},
		{"each partition gives its records in order", testRead},
		{"reading again from a position gives the rest", testReplay},
		{"a batch that was not taken comes again", testPutFails},
		{"a read ends with its context", testCancel},
		{"a partition without credit stops no other", testIndependent},
		{"an end is told and remembered", testEnd},
		{"committed positions are taken without blocking", testCommitted},
		{"close twice", testClose},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test.run(t, setup(t)) })
		})
	}
}

// open opens the ingress, to be closed at the end, and lists the partitions of a first start.
func open(t *testing.T, s Setup) (ingress.Ingress, []ingress.Partition) {
	t.Helper()
	in := s.Open(t)
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	parts, err := in.Partitions(t.Context(), nil)
	if err != nil {
		t.Fatalf("partitions: %v", err)
	}
	if len(parts) != len(s.Records) {
		t.Fatalf("%d partitions, want %d: %+v", len(parts), len(s.Records), parts)
	}
	return in, parts
}

// sink collects what it is given. A limit stops it: Put beyond fails with err, or blocks if err is nil.
type sink struct {
	limit int
	err   error

	mu      sync.Mutex
	batches []ingress.Batch
	texts   []string
}

func (s *sink) Put(ctx context.Context, b ingress.Batch) error {
	s.mu.Lock()
	full := s.limit > 0 && len(s.texts) >= s.limit
	if !full {
		s.batches = append(s.batches, b)
		s.texts = append(s.texts, texts(b)...)
	}
	s.mu.Unlock()
	switch {
	case !full:
		if b.Ack != nil {
			b.Ack(nil)
		}
		return ctx.Err()
	case s.err != nil:
		return s.err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *sink) snapshot() ([]ingress.Batch, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.batches), slices.Clone(s.texts)
}

func texts(b ingress.Batch) []string {
	out := make([]string, len(b.Messages))
	for i, m := range b.Messages {
		out[i] = fmt.Sprintf("%s %q %x", m.Target, m.Dedupe, m.Arg)
	}
	return out
}

// read reads until the partition ends or waits, and returns what came.
func read(t *testing.T, in ingress.Ingress, p ingress.Partition, s *sink) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- in.Read(ctx, p, s) }()
	synctest.Wait()
	cancel()
	err := <-done
	if err == nil {
		t.Fatal("read returned nil")
	}
	return err
}

func testPartitions(t *testing.T, s Setup) {
	in, parts := open(t, s)
	ids := map[string]bool{}
	for _, p := range parts {
		if p.ID == "" || ids[p.ID] || len(p.Position) == 0 || p.Ended || p.Volatile {
			t.Errorf("bad first partition %+v", p)
		}
		ids[p.ID] = true
	}
	var moved sink
	if err := read(t, in, parts[0], &moved); err == nil {
		t.Fatal("no error")
	}
	batches, _ := moved.snapshot()
	known := slices.Clone(parts)
	known[0].Position = batches[len(batches)-1].Position
	again, err := s.Open(t).Partitions(t.Context(), known)
	if err != nil {
		t.Fatalf("partitions with known positions: %v", err)
	}
	if fmt.Sprint(again) != fmt.Sprint(known) {
		t.Errorf("known partitions came back as %v, were %v", again, known)
	}
}

func testRead(t *testing.T, s Setup) {
	in, parts := open(t, s)
	for i, p := range parts {
		var got sink
		err := read(t, in, p, &got)
		if want := s.wantEnd(); !errors.Is(err, want) {
			t.Errorf("partition %s ended with %v, want %v", p.ID, err, want)
		}
		batches, all := got.snapshot()
		if len(all) != s.Records[i] {
			t.Errorf("partition %s: %d messages, want %d", p.ID, len(all), s.Records[i])
		}
		last := string(p.Position)
		for _, b := range batches {
			if len(b.Position) == 0 || string(b.Position) == last || b.Ack != nil {
				t.Errorf("partition %s: batch at %x after %x (ack %v)", p.ID, b.Position, last, b.Ack != nil)
			}
			last = string(b.Position)
		}
	}
}

func (s Setup) wantEnd() error {
	if s.Ends {
		return ingress.ErrEnded
	}
	return context.Canceled
}

func testReplay(t *testing.T, s Setup) {
	in, parts := open(t, s)
	var whole sink
	_ = read(t, in, parts[0], &whole)
	batches, all := whole.snapshot()
	restarted := s.Open(t)
	for i, b := range batches {
		all = all[len(b.Messages):]
		var rest sink
		p := parts[0]
		p.Position = b.Position
		_ = read(t, restarted, p, &rest)
		if _, got := rest.snapshot(); !slices.Equal(got, all) {
			t.Fatalf("after batch %d: %d messages, want %d", i, len(got), len(all))
		}
	}
	if err := restarted.Close(); err != nil {
		t.Fatal(err)
	}
}

func testPutFails(t *testing.T, s Setup) {
	in, parts := open(t, s)
	broken := errors.New("taken away")
	first := sink{limit: 1, err: broken}
	err := read(t, in, parts[0], &first)
	batches, head := first.snapshot()
	if len(head) == s.Records[0] { // everything fitted into one batch
		if !errors.Is(err, s.wantEnd()) {
			t.Fatalf("read: %v, want %v", err, s.wantEnd())
		}
		return
	}
	if !errors.Is(err, broken) {
		t.Fatalf("read: %v, want the sink's error", err)
	}
	p := parts[0]
	p.Position = batches[len(batches)-1].Position
	var second sink
	_ = read(t, in, p, &second)
	if _, tail := second.snapshot(); len(head)+len(tail) != s.Records[0] {
		t.Fatalf("%d and %d messages, want %d together", len(head), len(tail), s.Records[0])
	}
}

func testCancel(t *testing.T, s Setup) {
	in, parts := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := in.Read(ctx, parts[0], &sink{limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("read with an ended context: %v", err)
	}
}

func testIndependent(t *testing.T, s Setup) {
	in, parts := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	stuck := &sink{limit: 1}
	go func() { done <- in.Read(ctx, parts[0], stuck) }()
	synctest.Wait()
	for i, p := range parts[1:] {
		var got sink
		_ = read(t, in, p, &got)
		if _, all := got.snapshot(); len(all) != s.Records[i+1] {
			t.Errorf("partition %s beside a stuck one: %d messages, want %d", p.ID, len(all), s.Records[i+1])
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) && !errors.Is(err, ingress.ErrEnded) {
		t.Errorf("stuck read ended with %v", err)
	}
}

func testEnd(t *testing.T, s Setup) {
	in, parts := open(t, s)
	if !s.Ends {
		return
	}
	known := map[string]ingress.Partition{}
	for _, p := range parts {
		var got sink
		if err := read(t, in, p, &got); !errors.Is(err, ingress.ErrEnded) {
			t.Fatalf("partition %s: %v", p.ID, err)
		}
		batches, _ := got.snapshot()
		p.Position, p.Ended = batches[len(batches)-1].Position, true
		known[p.ID] = p
		if err := read(t, in, p, &sink{}); !errors.Is(err, ingress.ErrEnded) {
			t.Errorf("partition %s at its end: %v", p.ID, err)
		}
	}
	again, err := in.Partitions(t.Context(), slices.Collect(maps.Values(known)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range again {
		if k, ok := known[p.ID]; ok && !p.Ended {
			t.Errorf("partition %s came to life again: %+v, was %+v", p.ID, p, k)
		}
	}
}

func testCommitted(t *testing.T, s Setup) {
	in, parts := open(t, s)
	in.Committed(1, map[string][]byte{parts[0].ID: parts[0].Position})
	in.Committed(2, nil)
}

func testClose(t *testing.T, s Setup) {
	in := s.Open(t)
	for range 2 {
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
