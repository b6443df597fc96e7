package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// events are lines of `go test -json`, shortened: "action package test output". A test called "-" is none.
func events(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		f := strings.SplitN(line, " ", 4)
		for len(f) < 4 {
			f = append(f, "")
		}
		f[2] = strings.TrimPrefix(f[2], "-")
		fmt.Fprintf(&b, `{"Action":%q,"Package":%q,"Test":%q,"Output":%q}`+"\n", f[0], modulePath+"/"+f[1], f[2], f[3])
	}
	return b.String()
}

func TestTallyCounts(t *testing.T) {
	cases := []struct {
		rule    string
		input   string
		passed  int
		failed  []string
		skipped []string
	}{
		{
			rule:   "each test counts once",
			input:  events("run p TestA", "pass p TestA", "run p TestB", "pass p TestB", "pass p"),
			passed: 2,
		},
		{
			rule:   "a test with subtests counts through them",
			input:  events("run p TestA", "run p TestA/x", "run p TestA/y", "pass p TestA/x", "pass p TestA/y", "pass p TestA", "pass p"),
			passed: 2,
		},
		{
			rule:   "a failing subtest does not count its parent too",
			input:  events("run p TestA", "run p TestA/x", "fail p TestA/x", "fail p TestA", "fail p"),
			failed: []string{"p TestA/x"},
		},
		{
			rule:   "a parent that fails by itself counts",
			input:  events("run p TestA", "run p TestA/x", "pass p TestA/x", "fail p TestA", "fail p"),
			passed: 1, failed: []string{"p TestA"},
		},
		{
			rule:    "a skipped test is named with its reason",
			input:   events("run p TestA", "output p TestA === RUN   TestA\n", "output p TestA     a_test.go:3: no node\n", "output p TestA --- SKIP: TestA\n", "skip p TestA", "pass p"),
			skipped: []string{"p TestA (a_test.go:3: no node)"},
		},
		{
			rule:   "a process that died names the test that ran",
			input:  events("run p TestA", "output p TestA fatal\n", "output p - exit status 2\n", "fail p"),
			failed: []string{"p: ended without a verdict during TestA"},
		},
		{
			rule:   "a package that fails outside of any test counts",
			input:  events("run p TestA", "pass p TestA", "fail p"),
			passed: 1, failed: []string{"p: ended without a verdict"},
		},
		{
			rule:   "a benchmark passes with its package",
			input:  events("run p BenchmarkA", "output p BenchmarkA 1 ns/op\n", "pass p"),
			passed: 1,
		},
		{
			rule: "a package without tests counts nothing",
			input: events(
				"start p",
				"skip p"),
		},
		{
			rule: "code that does not build counts once a package and tells why",
			input: `{"ImportPath":"m/p [m/p.test]","Action":"build-output","Output":"p.go:3:1: undefined: x\n"}` + "\n" +
				`{"ImportPath":"m/p [m/p.test]","Action":"build-fail"}` + "\n" +
				`{"Action":"fail","Package":"` + modulePath + `/p","FailedBuild":"m/p [m/p.test]"}` + "\n",
			failed: []string{"p: does not build"},
		},
		{
			rule:  "a line that is no event is passed on",
			input: "not json\n",
		},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			var out strings.Builder
			got := newTally(&out, "")
			if err := got.read(strings.NewReader(c.input)); err != nil {
				t.Fatal(err)
			}
			if got.passed != c.passed {
				t.Errorf("passed: got %d, want %d\n%s", got.passed, c.passed, out.String())
			}
			if diff := cmp.Diff(c.failed, got.failed); diff != "" {
				t.Errorf("failed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.skipped, got.skipped); diff != "" {
				t.Errorf("skipped (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTallyPrintsWhatFailed(t *testing.T) {
	var out strings.Builder
	input := events("run p TestA", "output p TestA === RUN   TestA\n", "output p TestA     a_test.go:9: got 1, want 2\n", "fail p TestA", "fail p")
	if err := newTally(&out, "-race").read(strings.NewReader(input)); err != nil {
		t.Fatal(err)
	}
	want := "FAIL  p -race TestA\n          a_test.go:9: got 1, want 2\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

func TestTallyNoticesATimeout(t *testing.T) {
	got := newTally(&strings.Builder{}, "")
	if err := got.read(strings.NewReader(events("output p TestA panic: test timed out after 3m0s\n", "fail p TestA", "fail p"))); err != nil {
		t.Fatal(err)
	}
	if !got.timedOut {
		t.Error("a timeout went unnoticed: a hanging mutant would count as caught")
	}
}

func FuzzTally(f *testing.F) {
	f.Add([]byte(events("run p TestA/x", "fail p TestA", "fail p")))
	f.Add([]byte("{\"Action\":\"pass\"}\nplain\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		got := newTally(&strings.Builder{}, "")
		if err := got.read(strings.NewReader(string(input))); err != nil {
			t.Fatal(err)
		}
	})
}
