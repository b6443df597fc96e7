package compat

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// language is one published SDK.
type language struct {
	name    string
	lacks   []string // kinds of values that the SDK does not have
	command func(dir, tools string) harness.Spec
}

var languages = []language{
	{name: "python", command: func(dir, tools string) harness.Spec {
		return harness.Spec{Path: filepath.Join(tools, "python", "bin", "python3"), Args: []string{filepath.Join(dir, "python", "server.py")}}
	}},
	{name: "js", lacks: []string{"long", "double"}, command: func(dir, _ string) harness.Spec {
		return harness.Spec{Path: "node", Args: []string{filepath.Join(dir, "js", "server.js")}}
	}},
	{name: "java", command: func(_, tools string) harness.Spec {
		classpath := filepath.Join(tools, "java", "lib", "*") + ":" + filepath.Join(tools, "java", "classes")
		return harness.Spec{Path: "java", Args: []string{
			"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dsun.net.httpserver.nodelay=true", "-cp", classpath, "compat.Server",
		}}
	}},
	{name: "go", command: func(_, tools string) harness.Spec {
		return harness.Spec{Path: filepath.Join(tools, "go", "server")}
	}},
}

func (l language) has(kind string) bool { return !slices.Contains(l.lacks, kind) }

// chosen returns the languages named in STATEWAY_COMPAT. It says in the log which ones do not run.
func chosen(t *testing.T) []language {
	t.Helper()
	var run []language
	named := strings.Split(os.Getenv("STATEWAY_COMPAT"), ",")
	for _, l := range languages {
		if slices.Contains(named, l.name) {
			run = append(run, l)
			continue
		}
		t.Logf("not run: the %s SDK (STATEWAY_COMPAT=%q does not name it; `make compat` installs it and sets this)", l.name, os.Getenv("STATEWAY_COMPAT"))
	}
	return run
}

// start starts the language's function server and returns its URL.
func (l language) start(t *testing.T) string {
	t.Helper()
	tools, err := harness.Tools()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	port := harness.MustPort(t)
	spec := l.command(dir, filepath.Join(tools, "compat"))
	spec.Name, spec.Env = l.name+" functions", []string{"PORT=" + strconv.Itoa(port)}
	server := harness.MustStart(t, spec)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := server.WaitOutput(ctx, "listening"); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://%s/statefun", harness.Loopback(port))
}
