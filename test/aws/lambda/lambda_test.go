// Package lambda invokes real bootstraps, those of the Go SDK and of cmd/lambda-adapter with servers of published SDKs behind it, on all that
// can run them: the emulator, `stateway dev lambda`, AWS's own Runtime Interface Emulator, and ministack.
package lambda

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/faas/group"
	"github.com/stateway/stateway/faas/lambda"
	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// function is what is deployed.
type function struct {
	name      string
	bootstrap string
	env       []string
	lazy      time.Duration // how long its server may take to start
}

var built string // where build has put what it built

// build builds a bootstrap as it would be deployed.
func build(t testing.TB, pkg string) string {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	if built == "" {
		if built, err = os.MkdirTemp("", "stateway-bootstraps-"); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(built, strings.NewReplacer(".", "", "/", "-").Replace(pkg), "bootstrap")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-tags", "lambda.norpc", "-o", path, pkg) //nolint:gosec // our own
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return path
}

// functions are those that this machine can run. It says in the log which ones it cannot.
func functions(t *testing.T) []function {
	t.Helper()
	tools, err := harness.Tools()
	if err != nil {
		t.Fatal(err)
	}
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	java := filepath.Join(tools, "compat", "java")
	servers := map[string]string{
		"python": filepath.Join(tools, "compat", "python", "bin", "python3") + " " + filepath.Join(root, "test", "compat", "python", "server.py"),
		"js":     "exec node " + filepath.Join(root, "test", "compat", "js", "server.js"),
		"java":   "exec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dsun.net.httpserver.nodelay=true -cp '" + java + "/lib/*:" + java + "/classes' compat.Server",
		"go":     filepath.Join(tools, "compat", "go", "server"),
	}
	list := []function{{name: "Go SDK", bootstrap: build(t, "./test/aws/lambda/bootstrap")}}
	named := strings.Split(os.Getenv("STATEWAY_COMPAT"), ",")
	for _, language := range []string{"go", "python", "js", "java"} {
		if !slices.Contains(named, language) {
			t.Logf("not run: the adapter before the %s SDK (STATEWAY_COMPAT=%q does not name it; `make aws` installs it and sets this)", language, os.Getenv("STATEWAY_COMPAT"))
			continue
		}
		port := strconv.Itoa(harness.MustPort(t))
		list = append(list, function{
			name: "adapter before " + language, bootstrap: build(t, "./cmd/lambda-adapter"), lazy: 20 * time.Second,
			env: []string{"STATEWAY_COMMAND=" + servers[language], "PORT=" + port, "STATEWAY_URL=http://127.0.0.1:" + port + "/statefun", "STATEWAY_READY_TIMEOUT=20s"},
		})
	}
	return list
}

// caller sends groups to a function.
type caller struct {
	t       testing.TB
	to      *lambda.Transport
	results chan endpoint.GroupResult
}

func newCaller(t testing.TB, url, name string) *caller {
	t.Helper()
	client, err := lambda.NewClient(t.Context(), awsclient.Options{
		Region: "us-east-1", Endpoint: url, Credentials: awsclient.Credentials{AccessKeyID: "any", SecretAccessKey: "any"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{t: t, results: make(chan endpoint.GroupResult, 100)}
	c.to, err = lambda.New(lambda.Config{Client: client, Function: name, Asker: group.Asker{Source: "stateway:test", Call: time.Minute}},
		func(rs []endpoint.GroupResult) {
			for _, r := range rs {
				c.results <- r
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.to.Close)
	return c
}

func (c *caller) ask(invs ...*core.Invocation) core.GroupOutcome {
	c.to.Send([]*core.Group{{Items: invs}})
	return (<-c.results).Outcome
}

var tries atomic.Uint64

// command is a command to the actor of some id, with the states that it may know.
func command(id, text string, states []core.NamedValue) *core.Invocation {
	return &core.Invocation{
		Try: core.TryID{Generation: 1, Nonce: 2, Worker: 3, N: tries.Add(1)}, Attempt: 1, States: states,
		Target: core.Address{Type: "compat/actor", ID: id}, Messages: []*core.Message{{Arg: wire.AppendTypedValue(nil, "compat/Command", []byte(text))}},
	}
}

// states asks for the states that the actor wants to see: all of them are empty.
func (c *caller) states() []core.NamedValue {
	c.t.Helper()
	o := c.ask(command("Kim", "add 1", nil))
	if o.Class != core.GroupAnswered || o.Items[0].Response == nil || !o.Items[0].Response.Incomplete {
		c.t.Fatalf("an invocation without states: %+v", o)
	}
	var all []core.NamedValue
	for _, s := range o.Items[0].Response.Missing {
		all = append(all, core.NamedValue{Name: s.Name})
	}
	return all
}

// converse is what every function on every platform has to get right.
func (c *caller) converse() {
	c.t.Helper()
	states := c.states()
	for range 2 { // in JSON, perhaps, and packed
		o := c.ask(command("a", "add 7", states), command("b", "fail x 100", states), command("c", "add 8", states))
		if o.Class != core.GroupAnswered {
			c.t.Fatalf("%+v", o)
		}
		for i, want := range map[int]string{0: "\r\a\x00", 2: "\r\b\x00"} {
			if got := counted(o.Items[i].Response); !strings.Contains(got, want) {
				c.t.Errorf("item %d counts to %q: %+v", i, got, o.Items[i])
			}
		}
		if o.Items[1].Class != core.OutcomeFailed {
			c.t.Errorf("the failing one: %+v", o.Items[1])
		}
	}
}

// counted is the new value of the state count, as it is encoded.
func counted(r *core.Response) string {
	if r == nil {
		return "no answer"
	}
	for _, m := range r.Mutations {
		if m.Name == "count" {
			return string(m.Value)
		}
	}
	return ""
}
