package s3

import (
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/test/harness"
)

const countModule = `kind: io.statefun.endpoints.v2/http
spec: {functions: t/*, urlPathTemplate: "%[1]s"}
---
kind: io.statefun.playground.v1/ingress
spec: {port: %[2]d}
`

// counting is a server of one function that counts its messages.
func counting(t *testing.T) *httptest.Server {
	t.Helper()
	seen := stateway.Value[int64]("seen")
	app := stateway.New()
	app.Function("t/count", func(ctx *stateway.Context, _ stateway.Message) error {
		n, err := seen.Get(ctx)
		if err == nil {
			seen.Set(ctx, n+1)
		}
		return err
	}, seen)
	s := httptest.NewServer(app)
	t.Cleanup(s.Close)
	return s
}

// sent is what a node has sent to its bucket, and how many checkpoints it has committed.
type sent struct {
	byOp        map[string]float64
	checkpoints float64
}

func look(t *testing.T, n *harness.Node) sent {
	t.Helper()
	m, err := n.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := sent{byOp: map[string]float64{}, checkpoints: m.Sum("stateway_checkpoints_total")}
	for _, sample := range m["stateway_bucket_requests_total"] {
		s.byOp[sample.Labels["op"]] = sample.Value
	}
	return s
}

// since is what was sent after before; kinds of which there was none are left out.
func (s sent) since(before sent) sent {
	d := sent{byOp: map[string]float64{}, checkpoints: s.checkpoints - before.checkpoints}
	for op, n := range s.byOp {
		if n > before.byOp[op] {
			d.byOp[op] = n - before.byOp[op]
		}
	}
	return d
}

func total(byOp map[string]float64) float64 {
	sum := 0.0
	for _, n := range byOp {
		sum += n
	}
	return sum
}

// TestRequestsOfANode measures what docs/operations.md says of the requests that a node sends, in S3 and in a folder.
func TestRequestsOfANode(t *testing.T) {
	const lease = 250 * time.Millisecond
	for name, url := range map[string]string{"S3": server.URL(bucketName, freshPrefix()), "folder": filepath.Join(t.TempDir(), "bucket")} {
		t.Run(name, func(t *testing.T) {
			port := harness.MustPort(t)
			module := harness.MustWriteFile(t, t.TempDir(), "module.yaml", fmt.Sprintf(countModule, counting(t).URL, port))
			config := harness.NodeConfig{
				Modules: []string{module}, Data: filepath.Join(t.TempDir(), "data"), Bucket: url, Env: server.Env(), Shards: 4, Workers: 2, Lease: lease,
				Every: 100 * time.Millisecond,
			}
			n := harness.MustStartNode(t, config)
			n.MustReady(t)
			start := look(t, n)
			if total(start.byOp) > 40 {
				t.Errorf("a first start took %v", start.byOp)
			}

			ingress := harness.Ingress{URL: "http://" + harness.Loopback(port)}
			for i := range 20 {
				message := harness.Message{Function: "t/count", ID: fmt.Sprint(i), Type: "t/x", Body: []byte("x")}
				if err := ingress.PutUntilTaken(t.Context(), message); err != nil {
					t.Fatal(err)
				}
			}
			quiet(t, n)
			busy := look(t, n).since(start)
			if busy.checkpoints < 10 || busy.byOp["put"] != 2*busy.checkpoints {
				t.Errorf("%v checkpoints took %v; want a put for the segment and one for the manifest each", busy.checkpoints, busy.byOp)
			}

			idle := expectIdle(t, n, lease)
			config.Name, config.Data, config.AdminPort = "waiter", filepath.Join(t.TempDir(), "data"), 0
			waiter := harness.MustStartNode(t, config)
			if err := waiter.WaitOutput(t.Context(), "waiting until its control log stands still"); err != nil {
				t.Fatal(err)
			}
			first := total(look(t, waiter).byOp) // it looks eight times in the first lease time, and then once in each
			harness.Eventually(t, time.Minute, func() bool { return total(look(t, waiter).byOp) >= first+9 }, func() string { return "the end of the first lease time" })
			waits := expectIdle(t, waiter, lease)
			t.Logf("start %v; %v checkpoints %v; idle %v; waiting %v", start.byOp, busy.checkpoints, busy.byOp, idle, waits)
		})
	}
}

// expectIdle watches five requests of a node that has nothing to do: looks at the log, at most one per lease time, and nothing else.
func expectIdle(t *testing.T, n *harness.Node, lease time.Duration) map[string]float64 {
	t.Helper()
	before, began := look(t, n), time.Now()
	var idle sent
	harness.Eventually(t, time.Minute, func() bool {
		idle = look(t, n).since(before)
		return total(idle.byOp) >= 5
	}, func() string { return fmt.Sprintf("five requests of an idle node: %v", idle.byOp) })
	took := time.Since(began)
	if idle.byOp["range"] != total(idle.byOp) || idle.checkpoints != 0 {
		t.Errorf("%s sent %v and made %v checkpoints; want one look at the log per lease time, and nothing else", n.Name(), idle.byOp, idle.checkpoints)
	}
	if most := took/lease + 2; total(idle.byOp) > float64(most) {
		t.Errorf("%s sent %v in %s; want at most one per lease time of %s", n.Name(), idle.byOp, took, lease)
	}
	return idle.byOp
}

// quiet waits until a node makes no checkpoints any more.
func quiet(t *testing.T, n *harness.Node) {
	t.Helper()
	last, since := look(t, n).checkpoints, time.Now()
	harness.Eventually(t, time.Minute, func() bool {
		if now := look(t, n).checkpoints; now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > time.Second
	}, func() string { return "checkpoints without end" })
}

// TestCommandsOnS3 looks at what a node left in S3, and meets what an operator meets.
func TestCommandsOnS3(t *testing.T) {
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	url := server.URL(bucketName, freshPrefix())
	module := harness.MustWriteFile(t, t.TempDir(), "module.yaml", fmt.Sprintf(countModule, counting(t).URL, harness.MustPort(t)))
	n := harness.MustStartNode(t, harness.NodeConfig{
		Modules: []string{module}, Data: filepath.Join(t.TempDir(), "data"), Bucket: url, Env: server.Env(), Application: "shop", Shards: 4,
	})
	n.MustReady(t)
	if err := n.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	wrong := func(s string) string { return strings.Replace(url, "s3://"+bucketName, s, 1) }
	cases := []struct {
		rule string
		args []string
		code int
		want string
	}{
		{"the log is listed", []string{"checkpoint", "list", "--bucket", url, "--application", "shop"}, 0, "claim of"},
		{"all is verified", []string{"checkpoint", "verify", "--bucket", url, "--application", "shop"}, 0, "ok: "},
		{"another application", []string{"checkpoint", "list", "--bucket", url, "--application", "other"}, 1, `holds no application "other"`},
		{"a bucket that is not there", []string{"checkpoint", "list", "--bucket", wrong("s3://not-there"), "--application", "shop"}, 2, "there is no such bucket"},
		{"the same when a node starts", []string{"run", module, "--bucket", wrong("s3://not-there"), "--admin", "127.0.0.1:0", "--data", t.TempDir()}, 2, "there is no such bucket"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			p := harness.MustStart(t, harness.Spec{Name: "stateway", Path: binary, Args: c.args, Env: server.Env()})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			select {
			case <-p.Ended():
			case <-ctx.Done():
				t.Fatalf("it did not end: %s", p.Output())
			}
			if p.ExitCode() != c.code || !strings.Contains(p.Output(), c.want) {
				t.Errorf("exit code %d, output %s; want %d with %q", p.ExitCode(), p.Output(), c.code, c.want)
			}
		})
	}
}
