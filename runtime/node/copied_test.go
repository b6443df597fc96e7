package node_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stateway/stateway/runtime/node"
)

// A process on a copy of the leader's data directory does not take the leader for dead, as the directory's id alone says: it waits in
// line, says why, and takes over when the leader is gone.
func TestCopiedDataDirectory(t *testing.T) {
	var leads atomic.Pointer[running]
	health := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if x := leads.Load(); x != nil {
			w.Header().Set(node.NonceHeader, x.Nonce())
		}
	}))
	defer health.Close()
	y := newTally(t, 3000, 50)
	first := y.start(func(c *node.Config) { c.Contact = health.Listener.Addr().String() })
	leads.Store(first)
	first.ready()
	id, err := os.ReadFile(filepath.Join(y.config.Data, "test", "id"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(filepath.Join(data, "test"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "test", "id"), id, 0o600); err != nil {
		t.Fatal(err)
	}
	said := &logged{}
	second := y.start(func(c *node.Config) { c.Data, c.Log = data, slog.New(slog.NewTextHandler(said, nil)) })
	second.eventually("the second waits", func() bool { return strings.Contains(second.Waiting(), "another process") })
	second.eventually("it says why", func() bool { return said.lines("level=WARN", "is a copy of the one", data) == 1 })
	y.done(first)
	y.verify(first)
	first.kill()
	leads.Store(nil)
	second.ready()
}
