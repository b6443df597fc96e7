package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReportCloses(t *testing.T) {
	noNode := gap{what: "tests with the js SDK", why: "no node and npm", remedy: "apt-get install nodejs npm"}
	cases := []struct {
		rule   string
		report report
		strict bool
		failed bool
		want   string
	}{
		{
			rule:   "all passed",
			report: report{passed: 3},
			want:   "took 1s\n3 passed, 0 failed, 0 skipped\n",
		},
		{
			rule:   "what failed or skipped is named again at the end",
			report: report{passed: 1, failed: []string{"p TestA"}, skipped: []string{"p TestB (x)"}},
			failed: true,
			want:   "failed: p TestA\nskipped: p TestB (x)\ntook 1s\n1 passed, 1 failed, 1 skipped\n",
		},
		{
			rule:   "a missing toolchain is skipped, with the command that gets it",
			report: report{passed: 1, missing: []gap{noNode}},
			want:   "did not run: tests with the js SDK: no node and npm. To get it: apt-get install nodejs npm\ntook 1s\n1 passed, 0 failed, 1 skipped\n",
		},
		{
			rule:   "a missing toolchain fails a strict run",
			report: report{passed: 1, missing: []gap{noNode}},
			strict: true,
			failed: true,
			want: "did not run: tests with the js SDK: no node and npm. To get it: apt-get install nodejs npm\n" +
				"what did not run counts as failed here (CI=true or -strict)\ntook 1s\n1 passed, 1 failed, 0 skipped\n",
		},
		{
			rule:   "a run of nothing has failed",
			failed: true,
			want:   "failed: nothing ran\ntook 1s\n0 passed, 1 failed, 0 skipped\n",
		},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			var out strings.Builder
			if got := c.report.close(&out, c.strict, time.Second); got != c.failed {
				t.Errorf("failed: got %v, want %v", got, c.failed)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Errorf("closing lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReportNotesAGapOnce(t *testing.T) {
	var r report
	r.miss(gap{what: "a"})
	r.miss(gap{what: "a"})
	r.miss(gap{what: "b"})
	if len(r.missing) != 2 {
		t.Errorf("got %d gaps, want 2: %v", len(r.missing), r.missing)
	}
}

func TestReportCountsAChecksOutcome(t *testing.T) {
	var r report
	r.check("good", nil)
	r.check("bad", errors.New("exit status 1\nand much output"))
	if r.passed != 1 || len(r.failed) != 1 || r.failed[0] != "bad: exit status 1" {
		t.Errorf("got %+v", r)
	}
}
