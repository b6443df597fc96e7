// Package crash kills the real binary while it reads a Kinesis stream, counts, writes a second stream and reads that one, too. Both streams
// are resharded meanwhile, and the functions, in a process of their own, die now and then. In the end each function must have seen every
// record of its key, in order and once, and the second stream must hold each record, in order once repeats of an id are dropped.
//
// STATEWAY_CRASH_SECONDS is how long the killing lasts, by default 20 s; STATEWAY_CRASH_SEED chooses the pauses.
package crash

import (
	"os"
	"testing"

	"github.com/stateway/stateway/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

// TestKill kills the node about once a second, and the functions in between.
func TestKill(t *testing.T) {
	t.Parallel()
	newWorld(t, false).run(harness.KillTime(), func() {})
}

// TestKillOnS3 aggregates what it writes, keeps the checkpoints in S3 and loses the disk at every other kill.
func TestKillOnS3(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	server := harness.Versitygw(t, "numbers")
	w.node.Bucket, w.node.Env = server.URL("numbers", "crash"), server.Env()
	w.run(harness.KillTime()/2, func() {
		if w.kills%2 == 0 {
			return
		}
		if err := os.RemoveAll(w.node.Data); err != nil {
			t.Fatal(err)
		}
	})
}
