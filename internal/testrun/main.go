// Command testrun runs the project's tests and says in its closing lines what ran and what did not.
//
// `make test` is this program. A run is a list of parts (plan.go); a part is a few commands, most of them `go test -json`,
// whose events are tallied (tally.go) so that failures print readably and once. What this machine cannot run, for lack of a
// toolchain, is named with the command that gets it; with -strict or CI=true it counts as a failure. The last line is always
// "N passed, N failed, N skipped" over everything, and the exit code is 1 if anything failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx)
	stop()
	os.Exit(code)
}

func run(ctx context.Context) int {
	inCI := os.Getenv("CI") == "true"
	names := flag.String("parts", "", "comma-separated parts to run; empty means all: "+strings.Join(partNames(), ","))
	seeds := flag.Int("seeds", 1000, "how many seeds the simulation runs")
	race := flag.Bool("race", true, "run our packages under the race detector if a C compiler is there")
	strict := flag.Bool("strict", inCI, "a missing toolchain is a failure")
	flag.Parse()

	parts, err := selectParts(*names)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	r, err := newRunner(ctx, os.Stdout, *seeds, *race)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	start := time.Now()
	r.runParts(ctx, parts)
	fmt.Printf("\n%s\n", strings.Repeat("-", 40))
	failed := r.report.close(os.Stdout, *strict || inCI, time.Since(start))
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "interrupted: not everything ran")
		return 1
	}
	if failed {
		return 1
	}
	return 0
}
