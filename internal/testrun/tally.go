package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// tally reads the events of one `go test -json` run and counts leaves: a test with subtests is counted through them, unless it
// failed while none of them did. Not safe for concurrent use.
type tally struct {
	w       io.Writer // where packages and failures are printed as they end
	prefix  string    // said before a package's name, such as "-race"
	passed  int
	failed  []string
	skipped []string

	packages map[string]*packageRun
	builds   map[string][]string // what the compiler said, by the build's import path
	told     map[string]bool     // builds whose output was printed
	timedOut bool
}

type packageRun struct {
	tests  map[string]*testRun
	order  []string // names in the order in which they began
	output []string // what belongs to no test
}

type testRun struct {
	output []string
	result string // pass, fail, skip; empty while it runs
	parent bool   // it has subtests
}

func newTally(w io.Writer, prefix string) *tally {
	return &tally{
		w: w, prefix: prefix,
		packages: map[string]*packageRun{}, builds: map[string][]string{}, told: map[string]bool{},
	}
}

// read takes events until r ends. A line that is no event is printed as it is.
func (t *tally) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			t.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events of go test: %w", err)
		}
	}
}

func (t *tally) line(line []byte) {
	var ev event
	if err := json.Unmarshal(line, &ev); err != nil {
		fmt.Fprintf(t.w, "%s\n", strings.TrimRight(string(line), "\n"))
		return
	}
	t.event(ev)
}

func (t *tally) event(ev event) {
	switch {
	case ev.Action == "build-output":
		t.builds[ev.ImportPath] = append(t.builds[ev.ImportPath], ev.Output)
	case ev.Package == "":
	case ev.Test == "":
		t.onPackage(ev)
	default:
		t.onTest(ev)
	}
}

func (t *tally) onTest(ev event) {
	p := t.pkg(ev.Package)
	test := p.test(ev.Test)
	switch ev.Action {
	case "output":
		t.noticeTimeout(ev.Output)
		test.output = append(test.output, ev.Output)
	case "pass", "fail", "skip":
		test.result = ev.Action
	}
}

func (t *tally) onPackage(ev event) {
	p := t.pkg(ev.Package)
	switch ev.Action {
	case "output":
		t.noticeTimeout(ev.Output)
		p.output = append(p.output, ev.Output)
	case "pass", "fail", "skip":
		t.endPackage(ev, p)
	}
}

func (t *tally) noticeTimeout(output string) {
	if strings.HasPrefix(output, "panic: test timed out after") {
		t.timedOut = true
	}
}

// endPackage counts and prints a package whose last event came. What it held is forgotten.
func (t *tally) endPackage(ev event, p *packageRun) {
	defer delete(t.packages, ev.Package)
	name := strings.TrimSpace(shortPackage(ev.Package) + " " + t.prefix)
	passed, failures := 0, 0
	for _, test := range p.order {
		switch run := p.tests[test]; {
		case run.parent && (run.result != "fail" || p.childFailed(test)):
		case run.result == "skip":
			t.skipped = append(t.skipped, name+" "+test+reason(run.output))
		case run.result == "pass", run.result == "" && ev.Action == "pass":
			passed++ // A benchmark has no result of its own.
		case run.result == "fail":
			failures++
			t.fail(name+" "+test, run.output)
		}
	}
	t.passed += passed
	switch {
	case ev.Action == "fail" && ev.FailedBuild != "":
		t.failBuild(name, ev.FailedBuild, p)
	case ev.Action == "fail" && failures == 0:
		t.fail(name+": ended without a verdict"+p.unfinished(), append(p.tailOfUnfinished(), p.output...))
	case ev.Action == "pass" && passed > 0:
		fmt.Fprintf(t.w, "ok    %-48s %6.1fs  %d passed\n", name, ev.Elapsed, passed)
	}
}

func (t *tally) fail(what string, output []string) {
	t.failed = append(t.failed, what)
	fmt.Fprintf(t.w, "FAIL  %s\n", what)
	for _, line := range output {
		if !strings.HasPrefix(line, "=== ") {
			fmt.Fprint(t.w, "      ", line)
		}
	}
}

// failBuild prints what the compiler said, once, though several packages may wait for the same build.
func (t *tally) failBuild(name, build string, p *packageRun) {
	output := t.builds[build]
	if len(output) == 0 {
		output = p.output
	}
	if t.told[build] {
		output = nil
	}
	t.told[build] = true
	t.fail(name+": does not build", output)
}

func (t *tally) pkg(name string) *packageRun {
	p := t.packages[name]
	if p == nil {
		p = &packageRun{tests: map[string]*testRun{}}
		t.packages[name] = p
	}
	return p
}

func (p *packageRun) test(name string) *testRun {
	if known := p.tests[name]; known != nil {
		return known
	}
	test := &testRun{}
	p.tests[name] = test
	p.order = append(p.order, name)
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		p.markParents(name)
	}
	return test
}

// markParents marks each test that name runs below. A subtest's own name may hold slashes, so only names that ran are marked.
func (p *packageRun) markParents(name string) {
	for i, c := range name {
		if c != '/' {
			continue
		}
		if parent := p.tests[name[:i]]; parent != nil {
			parent.parent = true
		}
	}
}

func (p *packageRun) childFailed(name string) bool {
	return slices.ContainsFunc(p.order, func(other string) bool {
		return strings.HasPrefix(other, name+"/") && p.tests[other].result == "fail"
	})
}

// unfinished names the tests that were running when the process ended.
func (p *packageRun) unfinished() string {
	var names []string
	for _, name := range p.order {
		if p.tests[name].result == "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " during " + strings.Join(names, ", ")
}

func (p *packageRun) tailOfUnfinished() []string {
	var lines []string
	for _, name := range p.order {
		if test := p.tests[name]; test.result == "" {
			lines = append(lines, test.output...)
		}
	}
	return lines
}

// reason finds what a test said when it skipped itself: the last line that is not go test's own.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		return " (" + line + ")"
	}
	return ""
}

func shortPackage(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, modulePath), "/")
}
