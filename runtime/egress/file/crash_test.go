package file

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

const crashPath = "/out"

// life is one process: it asks what is published, and publishes until all is or the disk fails. acked
// is the last checkpoint whose publishing was ever acknowledged.
func life(t *testing.T, d *crashDisk, acked *core.CheckpointID, checkpoints core.CheckpointID) error {
	p := &Publisher{opts: Options{Path: crashPath}.withDefaults(), files: d}
	defer p.Close()
	for tries := 0; ; tries++ {
		err := publishFrom(t, p, acked, checkpoints)
		if err == nil || errors.Is(err, errCrashed) || tries > 3 {
			return err
		}
	}
}

func publishFrom(t *testing.T, p *Publisher, acked *core.CheckpointID, checkpoints core.CheckpointID) error {
	n, err := p.Published(t.Context(), 0)
	if err != nil {
		return err
	}
	if n < *acked {
		t.Fatalf("checkpoint %d was acknowledged, but only %d is published", *acked, n)
	}
	for n++; n <= checkpoints; n++ {
		if err := p.Publish(t.Context(), 0, n, recordsOf(n)); err != nil {
			return err
		}
		*acked = n
	}
	return nil
}

func recordsOf(n core.CheckpointID) (recs []egress.Record) {
	for i := range int(n)%3 + 1 { //nolint:gosec // small
		recs = append(recs, plain(fmt.Sprintf("%d-%d", n, i)))
	}
	return recs
}

// checkFile compares what the disk holds with all records up to checkpoint n.
func checkFile(t *testing.T, d *crashDisk, n core.CheckpointID) {
	t.Helper()
	var got, want []string
	for _, l := range parseLines(t, d.names[crashPath].seen) {
		got = append(got, *l.Value)
	}
	for c := core.CheckpointID(1); c <= n; c++ {
		for _, r := range recordsOf(c) {
			want = append(want, string(r.Value))
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("file has %v, want %v", got, want)
	}
}

func TestPublisherSurvivesACrashAtEveryPoint(t *testing.T) {
	const checkpoints = 4
	for seed := range uint64(40) {
		for crashAt := 1; ; crashAt++ {
			rnd := rand.New(rand.NewPCG(seed, uint64(crashAt))) //nolint:gosec // small
			d, acked := newCrashDisk(rnd), core.CheckpointID(0)
			d.crashAt = crashAt
			if life(t, d, &acked, checkpoints) == nil {
				break // the crash would come after the end
			}
			for again := range 3 { // and again while it recovers
				d = d.after()
				d.crashAt = 1 + rnd.IntN(4+again*8)
				_ = life(t, d, &acked, checkpoints)
			}
			d = d.after()
			if err := life(t, d, &acked, checkpoints); err != nil {
				t.Fatalf("seed %d, crash at %d: %v", seed, crashAt, err)
			}
			checkFile(t, d, checkpoints)
		}
	}
}

func TestPublisherSurvivesAFailureAtEveryPoint(t *testing.T) {
	const checkpoints = 4
	for seed := range uint64(40) {
		for failAt := 1; ; failAt++ {
			rnd := rand.New(rand.NewPCG(seed, uint64(failAt))) //nolint:gosec // small
			d, acked := newCrashDisk(rnd), core.CheckpointID(0)
			d.failAt = failAt
			if err := life(t, d, &acked, checkpoints); err != nil {
				t.Fatalf("seed %d, failure at %d: %v", seed, failAt, err)
			}
			checkFile(t, d, checkpoints)
			fired := d.ops >= failAt
			d = d.after() // a machine crash afterwards must not bring back what failed
			if err := life(t, d, &acked, checkpoints+1); err != nil {
				t.Fatalf("seed %d, failure at %d, after a crash: %v", seed, failAt, err)
			}
			checkFile(t, d, checkpoints+1)
			if !fired {
				break
			}
		}
	}
}

// emit emits the records first to 11 one by one, and returns the first that was not done.
func emit(d *crashDisk, first int) int {
	e := newEmitter(Options{}.withDefaults(), d)
	defer e.Close()
	for i, failures := first, 0; ; {
		if i == 12 || failures > 3 {
			return i
		}
		done := make(chan error, 1)
		e.Emit(0, []egress.Record{plain(fmt.Sprint(i))}, func(_, _ int, err error) { done <- err })
		if err := <-done; err != nil {
			failures++
			continue
		}
		i++
	}
}

func TestEmitterLosesNothingInACrashAtEveryPoint(t *testing.T) {
	for seed := range uint64(20) {
		for crashAt := 1; ; crashAt++ {
			rnd := rand.New(rand.NewPCG(seed, uint64(crashAt))) //nolint:gosec // small
			d := newCrashDisk(rnd)
			if d.crashAt = crashAt; seed%2 == 0 {
				d.failAt = 1 + rnd.IntN(crashAt)
			}
			next := emit(d, 0)
			if next == 12 {
				break
			}
			for range 2 {
				d = d.after()
				d.crashAt = 1 + rnd.IntN(20)
				next = emit(d, next)
			}
			d = d.after()
			if next = emit(d, next); next != 12 {
				t.Fatalf("seed %d, crash at %d: stuck at record %d", seed, crashAt, next)
			}
			found := map[string]bool{}
			for _, l := range parseLines(t, d.names[""].seen) {
				found[*l.Value] = true
			}
			if len(found) != 12 {
				t.Fatalf("seed %d, crash at %d: %d of 12 records are in the file", seed, crashAt, len(found))
			}
		}
	}
}

func TestRepairKeepsAForeignLongLine(t *testing.T) {
	d := newCrashDisk(rand.New(rand.NewPCG(1, 1)))
	long := make([]byte, maxUnsynced+2*repairBlock)
	for i := range long {
		long[i] = 'x'
	}
	d.names["f"] = &inode{seen: long}
	f, _ := d.Open("f")
	end, err := repair(f)
	if err != nil || end != int64(len(long))+1 || d.names["f"].seen[end-1] != '\n' {
		t.Errorf("end %d, %v", end, err)
	}
}

func TestPublisherAsksAfterAFailure(t *testing.T) {
	d := newCrashDisk(rand.New(rand.NewPCG(1, 1)))
	p := &Publisher{opts: Options{Path: crashPath}.withDefaults(), files: d}
	if _, err := p.Published(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	d.failAt = d.ops + 2 // the records' sync
	if err := p.Publish(t.Context(), 0, 1, recordsOf(1)); !errors.Is(err, errIO) {
		t.Fatalf("publish: %v", err)
	}
	if err := p.Publish(t.Context(), 0, 1, recordsOf(1)); err == nil {
		t.Error("published without asking what is published")
	}
	if n, err := p.Published(t.Context(), 0); n != 0 || err != nil {
		t.Fatalf("published: %d, %v", n, err)
	}
	if err := p.Publish(t.Context(), 0, 1, recordsOf(1)); err != nil {
		t.Fatal(err)
	}
	checkFile(t, d, 1)
}

func TestOffsetsAreRewrittenWhenFull(t *testing.T) {
	d := newCrashDisk(rand.New(rand.NewPCG(1, 1)))
	p := &Publisher{opts: Options{Path: crashPath}.withDefaults(), files: d}
	if _, err := p.Published(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	p.room = 3
	var sizes []int
	for n := core.CheckpointID(1); n <= 4; n++ {
		if err := p.Publish(t.Context(), 0, n, recordsOf(n)); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, (len(d.names[crashPath+".offsets"].seen)-headerSize)/entrySize)
	}
	if want := []int{1, 2, 1, 2}; !slices.Equal(sizes, want) {
		t.Errorf("entries after each checkpoint %v, want %v", sizes, want)
	}
	checkFile(t, d, 4)
}
