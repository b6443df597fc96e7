// Package kinesis runs whole nodes against Kinesis servers: kinesis-local, which reshards and knows enhanced fan-out, and kinesalite,
// which is fast. What neither does, such as throttling, is put between them and the node by a proxy.
package kinesis

import (
	"os"
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// waitFor is the patience of a condition that is expected to come true soon; machines can be slow.
const waitFor = time.Minute

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
