package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const modulePath = "github.com/stateway/stateway"

// runner runs parts from the top of the repository and gathers what came of them.
type runner struct {
	w     io.Writer
	root  string // the repository's top folder
	tools string // where tools and SDKs are installed; STATEWAY_TOOLS, absolute
	seeds int

	raceWanted bool // false once it turned out not to work here
	env        []string
	report     report

	sdks       []string // which SDKs are ready, in the order of allSDKs; set by prepareSDKs
	sdksDone   bool
	binary     string // the built bin/stateway; empty until built
	binaryDone bool

	queueProxyDone bool
}

func newRunner(ctx context.Context, w io.Writer, seeds int, race bool) (*runner, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module's folder with go list -m: %w", err)
	}
	r := &runner{w: w, root: strings.TrimSpace(string(out)), seeds: seeds, env: os.Environ()}
	r.tools = os.Getenv("STATEWAY_TOOLS")
	if r.tools == "" {
		r.tools = filepath.Join(r.root, ".tools")
	}
	if r.tools, err = filepath.Abs(r.tools); err != nil {
		return nil, fmt.Errorf("resolve STATEWAY_TOOLS: %w", err)
	}
	r.setenv("STATEWAY_TOOLS", r.tools)
	r.raceWanted = race
	return r, nil
}

// runParts runs parts one after the other; those after one that others run beside, at the same time as it.
func (r *runner) runParts(ctx context.Context, parts []part) {
	parts = slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !r.hasTests(p.folder) })
	for i, p := range parts {
		if !p.beside || i+1 == len(parts) {
			r.prepare(ctx, parts[i:i+1])
			r.runPart(ctx, p)
			continue
		}
		r.prepare(ctx, parts[i:]) // what is installed or built changes the runner, which two then share
		side := r.startBeside(ctx, p)
		r.runParts(ctx, parts[i+1:])
		r.join(side)
		return
	}
}

// prepare installs and builds what parts need, each once.
func (r *runner) prepare(ctx context.Context, parts []part) {
	for i := range parts {
		if p := &parts[i]; p.prepare != nil && ctx.Err() == nil {
			p.prepare(r, ctx)
			p.prepare = nil
		}
	}
}

func (r *runner) runPart(ctx context.Context, p part) {
	if ctx.Err() != nil {
		return
	}
	fmt.Fprintf(r.w, "\n== %s: %s\n", p.name, p.about)
	start := time.Now()
	p.run(r, ctx)
	fmt.Fprintf(r.w, "   %s took %s\n", p.name, time.Since(start).Round(time.Second/10))
}

// sidePart is a part under way beside others.
type sidePart struct {
	runner runner
	said   bytes.Buffer
	ended  chan struct{}
}

// startBeside starts a part whose lines are kept until it is joined.
func (r *runner) startBeside(ctx context.Context, p part) *sidePart {
	fmt.Fprintf(r.w, "\n   %s runs beside what follows, and is told after it\n", p.name)
	side := &sidePart{runner: *r, ended: make(chan struct{})}
	side.runner.w, side.runner.report = &side.said, report{}
	go func() {
		defer close(side.ended)
		side.runner.runPart(ctx, p)
	}()
	return side
}

// join waits for a part that runs beside, and tells and counts what came of it.
func (r *runner) join(side *sidePart) {
	<-side.ended
	_, _ = side.said.WriteTo(r.w)
	r.report.join(side.runner.report)
}

// exists reports whether the tree has that file or folder.
func (r *runner) exists(path string) bool {
	_, err := os.Stat(filepath.Join(r.root, path))
	return err == nil
}

// hasTests reports whether Go tests lie in that folder or below; "" is the whole tree, which has some.
func (r *runner) hasTests(folder string) bool {
	if folder == "" {
		return true
	}
	found := false
	err := walkSources(os.DirFS(r.root), folder, func(path string) error {
		found = strings.HasSuffix(path, "_test.go")
		if found {
			return fs.SkipAll
		}
		return nil
	})
	return err == nil && found
}

// walkSources hands each Go file below folder to look, leaving out what is not ours: hidden folders and npm's.
func walkSources(tree fs.FS, folder string, look func(path string) error) error {
	return fs.WalkDir(tree, folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules") {
			return fs.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		return look(path)
	})
}

func (r *runner) setenv(key, value string) {
	r.env = append(r.env, key+"="+value)
}

// command is exec.CommandContext, from the top folder and with the run's environment. When ctx ends it is interrupted first and
// killed ten seconds later.
func (r *runner) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = r.root
	cmd.Env = r.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// verdict prints and counts something that passes or fails as a whole.
func (r *runner) verdict(what string, err error) {
	r.report.check(what, err)
	if err != nil {
		fmt.Fprintf(r.w, "FAIL  %s: %v\n", what, err)
		return
	}
	fmt.Fprintf(r.w, "ok    %s\n", what)
}

// quietly runs a command in dir; what it printed is part of its error.
func (r *runner) quietly(ctx context.Context, dir, name string, args ...string) error {
	cmd := r.command(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// goTest is one `go test` run.
type goTest struct {
	prefix   string   // shown beside each package
	flags    []string // of go test
	packages []string
	args     []string // of the test binary, after -args
	timeout  time.Duration
	fresh    bool // never answered from Go's test cache
}

// goTest runs t, prints packages and failures as they end, and counts them.
func (r *runner) goTest(ctx context.Context, t goTest) {
	counted, err := r.tallyGoTest(ctx, t, r.w)
	r.report.add(counted)
	if err != nil && len(counted.failed) == 0 {
		r.verdict("go test "+strings.Join(t.packages, " "), err)
	}
}

// tallyGoTest runs t and leaves the counting to the caller. Its error is go test's exit code, or why it never ran.
func (r *runner) tallyGoTest(ctx context.Context, t goTest, w io.Writer) (*tally, error) {
	counted := newTally(w, t.prefix)
	cmd := r.command(ctx, "go", t.arguments()...)
	cmd.Stderr = r.w
	events, err := cmd.StdoutPipe()
	if err != nil {
		return counted, err
	}
	if err := cmd.Start(); err != nil {
		return counted, fmt.Errorf("start go test: %w", err)
	}
	readErr := counted.read(events)
	return counted, errors.Join(readErr, cmd.Wait())
}

func (t goTest) arguments() []string {
	args := []string{
		"test", "-json", "-timeout", t.timeout.String(),
		"-p", strconv.Itoa(runtime.NumCPU()), "-parallel", strconv.Itoa(2 * runtime.NumCPU()),
	}
	if t.fresh {
		args = append(args, "-count=1")
	}
	args = append(args, t.flags...)
	args = append(args, t.packages...)
	if len(t.args) > 0 {
		args = append(append(args, "-args"), t.args...)
	}
	return args
}
