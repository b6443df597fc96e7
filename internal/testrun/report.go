package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// report gathers the outcome of a whole run.
type report struct {
	passed  int
	failed  []string // what failed, one readable line each
	skipped []string // tests that skipped themselves, with their reason
	missing []gap    // parts that this machine cannot run
}

// gap is something that did not run for lack of a toolchain.
type gap struct {
	what   string // what did not run
	why    string // what is not there
	remedy string // the command that gets it
}

func (g gap) String() string {
	return fmt.Sprintf("%s: %s. To get it: %s", g.what, g.why, g.remedy)
}

// add counts what one `go test` run told.
func (r *report) add(t *tally) {
	r.passed += t.passed
	r.failed = append(r.failed, t.failed...)
	r.skipped = append(r.skipped, t.skipped...)
}

// check counts something that either passes or fails as a whole. Of a long error only the first line is repeated at the end.
func (r *report) check(what string, err error) {
	if err == nil {
		r.passed++
		return
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	r.failed = append(r.failed, what+": "+first)
}

// join counts what another report has.
func (r *report) join(o report) {
	r.passed += o.passed
	r.failed = append(r.failed, o.failed...)
	r.skipped = append(r.skipped, o.skipped...)
	for _, g := range o.missing {
		r.miss(g)
	}
}

// miss notes a gap once, however many parts it hits.
func (r *report) miss(g gap) {
	for _, known := range r.missing {
		if known == g {
			return
		}
	}
	r.missing = append(r.missing, g)
}

// close prints the closing lines and reports whether the run failed. A run that executed nothing has failed. With strict, a gap is
// a failure.
func (r *report) close(w io.Writer, strict bool, took time.Duration) bool {
	failed, skipped := len(r.failed), len(r.skipped)
	for _, line := range r.failed {
		fmt.Fprintln(w, "failed: "+line)
	}
	for _, line := range r.skipped {
		fmt.Fprintln(w, "skipped: "+line)
	}
	for _, g := range r.missing {
		fmt.Fprintln(w, "did not run: "+g.String())
	}
	if strict {
		failed += len(r.missing)
	} else {
		skipped += len(r.missing)
	}
	if strict && len(r.missing) > 0 {
		fmt.Fprintln(w, "what did not run counts as failed here (CI=true or -strict)")
	}
	if r.passed+failed == 0 {
		fmt.Fprintln(w, "failed: nothing ran")
		failed++
	}
	fmt.Fprintf(w, "took %s\n", took.Round(time.Second))
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", r.passed, failed, skipped)
	return failed > 0
}
