package s3

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// command runs the binary to its end, and returns what it printed.
func command(t *testing.T, args ...string) (string, int) {
	t.Helper()
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	p := harness.MustStart(t, harness.Spec{Name: "stateway", Path: binary, Args: args, Env: server.Env()})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case <-p.Ended():
	case <-ctx.Done():
		t.Fatalf("stateway %s did not end: %s", strings.Join(args, " "), p.Output())
	}
	return p.Output(), p.ExitCode()
}

// An application moves from a folder to S3 and back. At each place it goes on counting where it was; the place that it left starts no more.
func TestMoveToS3AndBack(t *testing.T) {
	port := harness.MustPort(t)
	module := harness.MustWriteFile(t, t.TempDir(), "module.yaml", fmt.Sprintf(countModule, counting(t).URL, port))
	ingress := harness.Ingress{URL: "http://" + harness.Loopback(port)}
	folder := func(name string) string { return "file://" + filepath.Join(t.TempDir(), name) }
	places := []string{folder("first"), server.URL(bucketName, freshPrefix()), folder("last")}
	config := harness.NodeConfig{
		Modules: []string{module}, Data: filepath.Join(t.TempDir(), "data"), Env: server.Env(), Application: "shop", Shards: 4,
		Lease: 100 * time.Millisecond,
	}
	for i, place := range places {
		config.Bucket, config.AdminPort = strings.TrimPrefix(place, "file://"), 0
		n := harness.MustStartNode(t, config)
		n.MustReady(t)
		for range 3 {
			if err := ingress.PutUntilTaken(t.Context(), harness.Message{Function: "t/count", ID: "kim", Type: "t/x", Body: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		out, code := command(t, "state", "get", "t/count/kim", "--admin", strings.TrimPrefix(n.Admin, "http://"))
		if want := fmt.Sprintf(`(?m)^seen .* %d$`, 3*(i+1)); code != 0 || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("at %s: exit code %d, %s; want %s", place, code, out, want)
		}
		if err := n.Stop(30 * time.Second); err != nil {
			t.Fatal(err)
		}
		if i == len(places)-1 {
			break
		}
		if out, code := command(t, "checkpoint", "copy", place, places[i+1], "--application", "shop", "--lease", "100ms"); code != 0 {
			t.Fatalf("copy to %s: exit code %d: %s", places[i+1], code, out)
		}
		out, code = command(t, "run", module, "--bucket", place, "--application", "shop", "--admin", "127.0.0.1:0", "--data", t.TempDir())
		if code != 2 || !strings.Contains(out, "application was moved") {
			t.Errorf("a start at %s after the move: exit code %d: %s", place, code, out)
		}
		if out, code := command(t, "checkpoint", "verify", "--bucket", places[i+1], "--application", "shop"); code != 0 {
			t.Errorf("verify %s: exit code %d: %s", places[i+1], code, out)
		}
	}
}
