package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSelectParts(t *testing.T) {
	cases := []struct {
		rule, names string
		want        []string
		wrong       string
	}{
		{rule: "nothing named is everything", want: partNames()},
		{rule: "the plan's order holds, not the asker's", names: "sim, lint", want: []string{"lint", "sim"}},
		{rule: "an unknown part is refused with the names there are", names: "unti", wrong: `"unti"; there are: lint, unit`},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			parts, err := selectParts(c.names)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("got error %v, want one with %s", err, c.wrong)
				}
				return
			}
			var got []string
			for _, p := range parts {
				got = append(got, p.name)
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("error %v, parts (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestEachPackageBelongsToOnePart(t *testing.T) {
	cases := map[string]bool{
		"runtime/sim": true, "runtime/sim/model": false, "runtime/simple": false, "runtime/core": false, "test/compat": true, "test/crash": true,
		"test/aws/s3": true, "test/aws/kinesis/crash": true, "test/knative": true, "test/awsome": false,
		"examples/greeter": true, "cmd/cluster": false, "test/bench": false,
	}
	for path, want := range cases {
		if got := belongsElsewhere(path); got != want {
			t.Errorf("belongsElsewhere(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestArgumentsEndWithThoseOfTheTest(t *testing.T) {
	got := strings.Join(goTest{
		flags: []string{"-race"}, packages: []string{"./runtime/sim"}, args: []string{seedsFlag(7)}, timeout: time.Minute, fresh: true,
	}.arguments(), " ")
	if !strings.HasPrefix(got, "test -json -timeout 1m0s -p ") || !strings.HasSuffix(got, "-count=1 -race ./runtime/sim -args -seeds=7") {
		t.Errorf("got %s", got)
	}
}

// What a machine without Node and Python does not run is told with the command that gets it.
func TestMissingKinesisServersAreTold(t *testing.T) {
	r := runner{root: t.TempDir()}
	t.Setenv("PATH", r.root)
	r.prepareKinesis(t.Context())
	var got []string
	for _, g := range r.report.missing {
		got = append(got, g.remedy)
	}
	if diff := cmp.Diff([]string{"apt-get install nodejs npm", "apt-get install python3-venv"}, got); diff != "" {
		t.Errorf("remedies (-want +got):\n%s", diff)
	}
}

func TestFindMutants(t *testing.T) {
	tree := fstest.MapFS{
		"runtime/core/late.go":        {Data: []byte("//go:build mutant_cut_late\n\npackage core\n")},
		"runtime/core/right.go":       {Data: []byte("//go:build !mutant_cut_late && !mutant_apply_twice\n\npackage core\n")},
		"runtime/core/mention.go":     {Data: []byte("package core // mutant_only_mentioned\n")},
		".tools/x.go":                 {Data: []byte("//go:build mutant_hidden\n\npackage x\n")},
		"examples/node_modules/n.go":  {Data: []byte("//go:build mutant_foreign\n\npackage x\n")},
		"docs/mutants.md":             {Data: []byte("//go:build mutant_in_prose\n")},
		"runtime/checkpoint/plain.go": {Data: []byte("//go:build linux\n\npackage checkpoint\n")},
	}
	got, err := findMutants(tree)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"mutant_apply_twice", "mutant_cut_late"}, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

func TestStampChangesWithEachInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stamp := func(s sdk) string {
		t.Helper()
		got, err := stampOf(s, dir)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	write("pom.xml", "<project/>")
	s := sdk{name: "java", inputs: []string{"."}, pins: "a==1"}
	first := stamp(s)
	if stamp(s) != first {
		t.Error("the same inputs gave another stamp")
	}
	s.pins = "a==2"
	if stamp(s) == first {
		t.Error("another pin gave the same stamp")
	}
	s.pins = "a==1"
	write("pom.xml", "<project></project>")
	if stamp(s) == first {
		t.Error("another file gave the same stamp")
	}
	if _, err := stampOf(sdk{name: "js", inputs: []string{"package-lock.json"}}, dir); err == nil {
		t.Error("a missing lock file went unnoticed")
	}
}

func TestAPartNeedsTests(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"test/compat/js/node_modules/x_test.go", "test/crash/deep/x_test.go", "examples/main.go"} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("package x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := runner{root: root}
	for folder, want := range map[string]bool{"": true, compatFolder: false, crashFolder: true, examplesFolder: false, simFolder: false} {
		if got := r.hasTests(folder); got != want {
			t.Errorf("hasTests(%q) = %v, want %v", folder, got, want)
		}
	}
}

// A part beside others shares their time, and nothing else: all is prepared before it, once, and its lines and counts come whole.
func TestPartsBeside(t *testing.T) {
	var out strings.Builder
	r := runner{root: t.TempDir(), w: &out}
	prepared := 0
	prepare := func(*runner, context.Context) { prepared++ }
	met := make(chan struct{})
	say := func(what string, err error, run func()) func(*runner, context.Context) {
		return func(r *runner, _ context.Context) {
			if run != nil {
				run()
			}
			if prepared != 3 {
				err = fmt.Errorf("%d parts were prepared", prepared)
			}
			r.verdict(what, err)
		}
	}
	parts := []part{
		{name: "a", prepare: prepare, run: func(*runner, context.Context) {}},
		{name: "b", prepare: prepare, beside: true, run: say("of b", errors.New("wrong"), func() { <-met })},
		{name: "c", prepare: prepare, run: say("of c", nil, func() { close(met) })},
		{name: "d", folder: "missing", prepare: prepare, run: say("of d", nil, nil)},
	}
	r.runParts(t.Context(), parts)
	c, b := strings.Index(out.String(), "ok    of c"), strings.Index(out.String(), "FAIL  of b: wrong")
	if c < 0 || b < c || strings.Contains(out.String(), "of d") {
		t.Errorf("it said:\n%s", out.String())
	}
	if diff := cmp.Diff([]string{"of b: wrong"}, r.report.failed); r.report.passed != 1 || diff != "" {
		t.Errorf("%d passed; failed (-want +got):\n%s", r.report.passed, diff)
	}
}
