package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
)

// race reports whether the race detector is wanted and works here, and notes the gap if not. It asks Go instead of guessing at compilers.
func (r *runner) race(ctx context.Context) bool {
	if !r.raceWanted {
		return false
	}
	err := r.command(ctx, "go", "build", "-race", "-o", os.DevNull, "./internal/version", "runtime/cgo", "runtime/race").Run()
	if err == nil || ctx.Err() != nil {
		return err == nil
	}
	r.raceWanted = false
	r.report.miss(gap{
		what: "the race detector (our packages ran without it)", why: "no working C compiler",
		remedy: "apt-get install gcc libc6-dev (macOS: xcode-select --install), CGO_ENABLED=1",
	})
	return false
}

// make is the make that called us, so that a gmake stays one.
func (r *runner) make() string {
	if name := os.Getenv("MAKE"); name != "" {
		return name
	}
	return "make"
}

var benchmark = regexp.MustCompile(`(?m)^func Benchmark`)

func hasBenchmark(dir string, files []string) bool {
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && benchmark.Match(text) {
			return true
		}
	}
	return false
}

// noteLambda notes what does not run here because AWS's Runtime Interface Emulator and ministack, which come from PyPI, cannot.
func (r *runner) noteLambda(ctx context.Context) {
	if !r.works(ctx, [][]string{{"python3", "-c", "import venv, ensurepip"}}) {
		r.report.miss(gap{what: "Lambda's Invoke on ministack", why: "no python3 with venv", remedy: "apt-get install python3-venv"})
	}
	what := "bootstraps under AWS's Runtime Interface Emulator"
	switch {
	case runtime.GOOS != "linux" || runtime.GOARCH != "amd64":
		r.report.miss(gap{what: what, why: "it is for Linux on x86-64", remedy: "run `make aws` on such a machine"})
	case !r.works(ctx, [][]string{{"python3", "-m", "pip", "--version"}}):
		r.report.miss(gap{what: what, why: "no python3 with pip", remedy: "apt-get install python3-pip"})
	}
}
