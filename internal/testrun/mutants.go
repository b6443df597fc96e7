package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// leastMutants is how many planted mistakes there are at least: a renamed build tag must not pass for a caught one.
const leastMutants = 10

var (
	buildLine = regexp.MustCompile(`(?m)^//go:build .*$`)
	mutantTag = regexp.MustCompile(`\bmutant_[a-z0-9_]+\b`)
)

// mutants runs the simulation once with each planted mistake (a build tag mutant_…, found in the sources): a run that passes is a failure.
func (r *runner) mutants(ctx context.Context) {
	tags, err := findMutants(os.DirFS(r.root))
	if err != nil {
		r.verdict("look for mutants", err)
		return
	}
	if len(tags) < leastMutants {
		r.verdict("count the mutants", fmt.Errorf("%d build tags mutant_… in the sources, want at least %d", len(tags), leastMutants))
	}
	for _, tag := range tags {
		start := time.Now()
		err := r.catch(ctx, tag)
		r.verdict(fmt.Sprintf("catch %s (%s)", tag, time.Since(start).Round(time.Second/10)), err)
	}
}

// catch returns nil if a test of the simulation failed with the mistake in place. Code that does not build and a run that hangs
// catch nothing.
func (r *runner) catch(ctx context.Context, tag string) error {
	var output strings.Builder
	counted, err := r.tallyGoTest(ctx, goTest{
		flags: []string{"-tags=" + tag, "-failfast"}, packages: []string{"./" + simFolder}, args: []string{seedsFlag(r.seeds)},
		timeout: 3 * time.Minute, fresh: true,
	}, &output)
	switch {
	case err == nil:
		return fmt.Errorf("the simulation passes with this mistake in place (go test -tags %s ./%s -args %s)", tag, simFolder, seedsFlag(r.seeds))
	case len(counted.told) > 0:
		return fmt.Errorf("does not build:\n%s", output.String())
	case counted.timedOut:
		return errors.New("the simulation hung instead of failing")
	case len(counted.failed) == 0:
		return fmt.Errorf("no test failed, yet go test did: %w\n%s", err, output.String())
	}
	return nil
}

// findMutants returns the build tags that begin with mutant_, sorted.
func findMutants(tree fs.FS) ([]string, error) {
	found := map[string]bool{}
	err := walkSources(tree, ".", func(path string) error {
		text, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		for _, tag := range mutantTag.FindAllString(string(buildLine.Find(text)), -1) {
			found[tag] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the sources for build tags: %w", err)
	}
	tags := make([]string, 0, len(found))
	for tag := range found {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return tags, nil
}
