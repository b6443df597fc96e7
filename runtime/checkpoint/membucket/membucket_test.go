package membucket_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/buckettest"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
)

func perTest(open func() checkpoint.Bucket) buckettest.Open {
	last, bucket := (*testing.T)(nil), checkpoint.Bucket(nil)
	return func(t *testing.T) checkpoint.Bucket {
		if t != last {
			last, bucket = t, open()
		}
		return bucket
	}
}

func TestConformance(t *testing.T) {
	buckettest.Run(t, perTest(func() checkpoint.Bucket { return &membucket.Bucket{} }))
}

func TestFaultyWithoutFaultsConforms(t *testing.T) {
	buckettest.Run(t, perTest(func() checkpoint.Bucket { return &membucket.Faulty{Under: &membucket.Bucket{}} }))
}

func TestFaults(t *testing.T) {
	var next membucket.Fault
	slow := time.Duration(0)
	b := &membucket.Faulty{
		Under: &membucket.Bucket{},
		Hook:  func(membucket.Op) (f membucket.Fault) { f, next = next, membucket.Fault{}; return f },
		Slow:  func(_ membucket.Op, d time.Duration) { slow += d },
	}
	ctx := t.Context()
	next = membucket.Fault{Before: membucket.ErrInjected}
	if err := b.Create(ctx, "a", nil); !errors.Is(err, checkpoint.ErrUnknownOutcome) || !errors.Is(err, membucket.ErrInjected) {
		t.Fatalf("a create that fails before: %v", err)
	}
	if _, err := b.Read(ctx, "a"); !errors.Is(err, checkpoint.ErrNotFound) {
		t.Fatalf("it arrived: %v", err)
	}
	next = membucket.Fault{After: membucket.ErrInjected, Delay: time.Second}
	if err := b.Create(ctx, "a", []byte("x")); !errors.Is(err, checkpoint.ErrUnknownOutcome) {
		t.Fatalf("a lost answer: %v", err)
	}
	if err := b.Create(ctx, "a", []byte("x")); !errors.Is(err, checkpoint.ErrExists) {
		t.Fatalf("the lost create is not there: %v", err)
	}
	if slow != time.Second {
		t.Fatalf("delays sum to %v", slow)
	}
	if err := errors.Join(b.Create(ctx, "b", nil), b.Delete(ctx, "a")); err != nil {
		t.Fatal(err)
	}
	for behind, want := range [][]string{{"b"}, {"a", "b"}, {"a"}, nil} {
		next = membucket.Fault{Behind: behind}
		got, err := b.List(ctx, "", "", 10)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("list %d behind: %q, %v; want %q", behind, got, err, want)
		}
	}
}
