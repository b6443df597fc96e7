package node_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
	"github.com/stateway/stateway/runtime/core"
)

// litter is how many segments that no manifest names lie in an old bucket.
const litter = 40

// oldBucket is the disk of an application of 4 shards whose control log fills its first folder, which is more than a day old, and whose
// last leader left segments that it never committed. It has no state.
func oldBucket(t *testing.T) *dirbucket.Mem {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	disk, clock := dirbucket.NewMem(), time.Duration(0)
	ctx, b := t.Context(), openBucket(t, "/bucket", dirbucket.Options{FS: disk})
	opt := checkpoint.Options{Random: rand.NewChaCha8([32]byte{1}), Clock: func() time.Duration { return clock }}
	app, err := checkpoint.CreateApplication(ctx, b, "test", 4, opt)
	must(err)
	tail, err := app.Log().FindTail(ctx, 0)
	must(err)
	reign := app.Log().NewReign(tail)
	claim, err := reign.Append(ctx, checkpoint.Entry{Claim: &checkpoint.Claim{Nonce: 1}})
	must(err)
	state, err := app.Log().StateBelow(ctx, claim.Number, 1)
	must(err)
	for reign.Tail() < checkpoint.FolderNumbers+100 {
		if reign.Tail() == checkpoint.FolderNumbers {
			clock += 25 * time.Hour
		}
		m, err := state.Next(checkpoint.Commit{Checkpoint: state.Checkpoint + 1}, reign.Lineage())
		must(err)
		e, err := reign.Append(ctx, checkpoint.Entry{Manifest: m})
		must(err)
		must(state.Apply(e.Number, e.Manifest))
	}
	for i := range litter {
		w, err := app.NewSegment(reign.Lineage().Generation, state.Checkpoint+1, 0)
		must(err)
		section, err := checkpoint.EncodeSection(slices.Values([]core.Row{{Key: []byte{byte(i)}, Value: []byte("lost")}}), 1)
		must(err)
		must(w.Add(0, section))
		_, err = w.Upload(ctx)
		must(err)
	}
	return disk
}

// The power goes at the named moments of a garbage collection and of a cut of the control log, under a node that works.
func TestCrashWhileCollecting(t *testing.T) {
	old := oldBucket(t)
	for point, most := range map[dirbucket.Point]int{
		dirbucket.AtDeleted: litter / 2, dirbucket.AtMarkerSynced: 1, dirbucket.AtSwapped: 1, dirbucket.AtSwapSynced: 1,
	} {
		t.Run(string(point), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			y := newTally(t, 10000, 50)
			y.collecting(random, old.Crash(vfs.CrashCloneCfg{}), point, most)
		})
	}
}

// collecting lets nodes crash on machine after machine when they pass a point, at the mostth time or before, and checks what the last
// one ends with. The first one does pass it.
func (y *tally) collecting(random *rand.Rand, disk *dirbucket.Mem, point dirbucket.Point, most int) {
	t := y.t
	t.Helper()
	for i := range crashes {
		m := boot(disk, random, -1, func() { y.out.Fail(errPowerLost); y.fast.Fail(errPowerLost) })
		left := 1 + random.IntN(most)
		x := y.start(m.on(t, func(at dirbucket.Point) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if at != point || m.after != nil {
				return
			}
			if left--; left == 0 {
				m.crashLocked()
			}
		}))
		disk = m.outlive(x, func() bool { return i > 0 && len(y.out.Records()) >= y.records })
		y.out.Fail(nil)
		y.fast.Fail(nil)
		verifyBucket(t, disk)
	}
	x := y.start(boot(disk, random, -1, nil).on(t, nil)).ready()
	y.done(x)
	y.verify(x)
	if x.metric("stateway_checkpoints_total") > 0 { // it had something left to do
		x.eventually("nothing old is left", func() bool { return isClean(t, disk) })
	}
	x.kill()
	verifyBucket(t, disk)
}

// isClean reports whether the old folder of the log and the litter are gone.
func isClean(t *testing.T, disk *dirbucket.Mem) bool {
	t.Helper()
	b := openBucket(t, "/bucket", dirbucket.Options{FS: disk})
	if _, err := b.Read(t.Context(), "test/control/00000000000000000000"); err != nil {
		return false // the marker that takes the folder's place is not there yet
	}
	keys, err := b.List(t.Context(), "test/segments/", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	return len(keys) == 0 || keys[0] > "test/segments/00000000000000000002"
}

// verifyBucket checks that nothing that the newest manifest refers to is missing or damaged.
func verifyBucket(t *testing.T, disk *dirbucket.Mem) {
	t.Helper()
	b := openBucket(t, "/bucket", dirbucket.Options{FS: disk})
	report, err := checkpoint.Verify(t.Context(), b, "test", checkpoint.Options{Clock: func() time.Duration { return 0 }})
	if err != nil || report.Problems != nil {
		t.Fatalf("the bucket after a crash: %v %v", err, report.Problems)
	}
}
