package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
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
