// Package lint holds the project's rules as Go tests: the direction of imports, what the core must not reach, and a few habits.
//
// Each failure names its remedy. A rule that a common linter knows belongs into .golangci.yml instead. Only tests live here;
// nothing imports this package.
package lint
