package node_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/bootclock"
	"github.com/stateway/stateway/runtime/node"
	"github.com/stateway/stateway/runtime/shard"
)

// elsewhere gives a node a data directory of its own.
func elsewhere(t *testing.T) func(*node.Config) {
	dir := filepath.Join(t.TempDir(), "data")
	return func(c *node.Config) { c.Data = dir }
}

func TestSecondNodeWaitsAndTakesOver(t *testing.T) {
	y := newTally(t, 8000, 50)
	first := y.start().ready()
	first.eventually("something is published", func() bool { return len(y.out.Records()) > 500 })
	second := y.start(elsewhere(t))
	second.eventually("the second says what it waits for", func() bool {
		return strings.Contains(second.Waiting(), "another process")
	})
	if second.Nonce() != "" || second.Generation() != 0 {
		t.Errorf("the second leads generation %d beside the first", second.Generation())
	}
	if _, err := second.Addresses(context.Background(), 1); !errors.Is(err, node.ErrNotLeading) {
		t.Errorf("the second answers for Addresses: %v", err)
	}
	first.kill()
	second.ready()
	y.done(second)
	y.verify(second)
}

func TestSameDataDirectoryIsRefused(t *testing.T) {
	y := newTally(t, 100, 10)
	y.start().ready()
	if err := y.start().wait(); !errors.Is(err, shard.ErrLocked) {
		t.Errorf("got %v, want %v", err, shard.ErrLocked)
	}
}

// A leader whose log somebody else appended to commits nothing more and ends, also if it had nothing to commit.
func TestDeposed(t *testing.T) {
	for name, records := range map[string]int{"busy": 10_000_000, "idle": 10} {
		t.Run(name, func(t *testing.T) {
			y := newTally(t, records, 50)
			x := y.start().ready()
			x.eventually("something is published", func() bool { return len(y.out.Records()) >= 10 })
			number := usurp(t, y.config.Bucket)
			if err := x.wait(); !errors.Is(err, node.ErrDeposed) {
				t.Fatalf("got %v, want %v", err, node.ErrDeposed)
			}
			if tail := findTail(t, y.config.Bucket); tail.Number != number {
				t.Errorf("the log ends at %d, want %d: a deposed leader appended", tail.Number, number)
			}
			if records > 1000 {
				return // a next node would go on for ever
			}
			next := y.start().ready()
			y.done(next)
			y.verify(next)
		})
	}
}

func openApplication(t *testing.T, b checkpoint.Bucket) *checkpoint.Application {
	t.Helper()
	app, err := checkpoint.OpenApplication(context.Background(), b, "test", checkpoint.Options{Random: rand.Reader, Clock: bootclock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func findTail(t *testing.T, b checkpoint.Bucket) checkpoint.Tail {
	t.Helper()
	tail, err := openApplication(t, b).Log().FindTail(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return tail
}

// usurp claims the application as another process would, and returns the claim's number.
func usurp(t *testing.T, b checkpoint.Bucket) checkpoint.Number {
	t.Helper()
	log := openApplication(t, b).Log()
	for {
		tail, err := log.FindTail(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		e, err := log.NewReign(tail).Append(context.Background(), checkpoint.Entry{Claim: &checkpoint.Claim{Nonce: 1}})
		if err == nil {
			return e.Number
		}
		if !errors.Is(err, checkpoint.ErrDeposed) {
			t.Fatal(err)
		}
	}
}

func TestOtherNumberOfShardsIsRefused(t *testing.T) {
	y := newTally(t, 100, 10)
	y.start().ready().halt()
	err := y.start(func(c *node.Config) { c.Shards = 8 }).wait()
	if err == nil || !strings.Contains(err.Error(), "shards") {
		t.Errorf("got %v, want an error about shards", err)
	}
	y.start(func(c *node.Config) { c.Shards = 0 }).ready() // takes what there is
}

// What still has positions or rows may not be missing, unless it is given up by name.
func TestDropped(t *testing.T) {
	y := newTally(t, 10_000_000, 50)
	x := y.start().ready()
	x.eventually("something is published", func() bool { return len(y.out.Records()) > 100 })
	y.out.Fail(errors.New("down")) // records stay
	x.eventually("there are records that wait", func() bool { return x.metric("stateway_egress_unpublished") > 100 })
	last := x.metric("stateway_checkpoint_last_number")
	x.eventually("they are committed", func() bool { return x.metric("stateway_checkpoint_last_number") > last+2 })
	x.kill()
	whole := y.parts
	for _, c := range []struct {
		name string
		drop func(*node.Parts)
	}{
		{"test/in", func(p *node.Parts) { p.Ingresses = nil }},
		{"test/out", func(p *node.Parts) { p.Egresses = p.Egresses[1:] }},
		{"test/tally", func(p *node.Parts) { p.EndpointOf = without(whole, "test/tally") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			y.parts = whole
			c.drop(&y.parts)
			err := y.start().wait()
			if !errors.Is(err, node.ErrDropped) || !strings.Contains(err.Error(), c.name) {
				t.Errorf("got %v, want %v: %s", err, node.ErrDropped, c.name)
			}
		})
	}
	y.parts = whole
	y.parts.Ingresses = nil
	y.start(func(c *node.Config) { c.AllowDropped = []string{"test/in"} }).ready().kill()
}

// Damage in the bucket ends a start that needs the object, with its name.
func TestDamagedSegment(t *testing.T) {
	y := newTally(t, 2000, 50)
	x := y.start().ready()
	y.done(x)
	x.kill()
	if err := os.RemoveAll(y.config.Data); err != nil {
		t.Fatal(err)
	}
	damage(t, y.bucketDir())
	err := y.start().wait()
	if !errors.Is(err, checkpoint.ErrDamaged) && !errors.Is(err, checkpoint.ErrNotFound) {
		t.Errorf("got %v, want an error about a damaged object", err)
	}
}

// damage flips a byte in every segment.
func damage(t *testing.T, bucket string) {
	t.Helper()
	err := filepath.WalkDir(bucket, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "seg") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[len(b)/2] ^= 0x10
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
