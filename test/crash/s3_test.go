package crash

import (
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// TestKillOnS3 keeps the checkpoints in S3, loses the disk at every other kill, and kills the S3 server too, which then stays away for a
// moment or two.
func TestKillOnS3(t *testing.T) {
	server := harness.Versitygw(t, "bank")
	w := newWorld(t)
	w.bucket, w.env = server.URL("bank", "crash/test"), server.Env()
	w.run(harness.KillTime()/2, func(kill int) {
		if kill%2 == 1 {
			w.loseDisk("node-a")
		}
		if kill%3 != 2 {
			return
		}
		if err := server.Restart(t.Context(), 300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	})
}
