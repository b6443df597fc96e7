// Package version holds what a binary knows about its own build: version, commit and build date.
//
// `make build` sets the three through the linker. A binary built otherwise (go install, go run) answers from the build
// information that Go records, so that String is never empty. Called by cmd and by the admin API.
package version

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker: -X github.com/stateway/stateway/internal/version.version=v1.2.3. The Makefile names all three.
var (
	version string
	commit  string
	date    string
)

// Info is what a binary knows about its own build. Its JSON form is what `stateway version --json` prints.
type Info struct {
	Version string `json:"version"` // a tag, a tag with distance and commit, or "dev"
	Commit  string `json:"commit"`  // the full commit id, or "unknown"
	Date    string `json:"date"`    // when it was built, RFC 3339 in UTC, or "unknown"
	Go      string `json:"go"`      // the Go release that compiled it
}

// Get returns this binary's build information. It never fails: what is not known says so.
func Get() Info {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{}
	}
	return resolve(Info{Version: version, Commit: commit, Date: date, Go: runtime.Version()}, build)
}

// String is the one line that people see.
func (i Info) String() string {
	return fmt.Sprintf("stateway %s (commit %s, built %s, %s)", i.Version, i.Commit, i.Date, i.Go)
}

// resolve fills what the linker left empty from build, and what build does not know with a word.
func resolve(set Info, build *debug.BuildInfo) Info {
	if set.Version == "" && build.Main.Version != "(devel)" {
		set.Version = build.Main.Version
	}
	for _, s := range build.Settings {
		switch {
		case s.Key == "vcs.revision" && set.Commit == "":
			set.Commit = s.Value
		case s.Key == "vcs.time" && set.Date == "":
			set.Date = s.Value
		}
	}
	set.Version = cmp.Or(set.Version, "dev")
	set.Commit = cmp.Or(set.Commit, "unknown")
	set.Date = cmp.Or(set.Date, "unknown")
	return set
}
