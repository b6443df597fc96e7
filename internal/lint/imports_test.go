package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// layer is a folder and what its packages may import of ours. Packages below one folder may import each other.
type layer struct {
	folder string
	below  []string // folders that it may import
}

// libraries may be imported by everybody above the core: they import nothing of ours.
var libraries = []string{"internal", "protocol"}

// layers is the direction of imports: cmd > runtime/node > faas, ingress, egress, checkpoint, shard > core > protocol. The SDK stands beside
// the core, so that a function's program does not carry the runtime. A new folder gets a line here, with a reason in docs/decisions.
var layers = []layer{
	{"protocol", nil},
	{"internal", nil},
	{"lambda-sdk", []string{"protocol"}},
	{"runtime/core", []string{"protocol"}},
	{"runtime/module", []string{"runtime/core"}},
	{"runtime/shard", []string{"runtime/core"}},
	{"runtime/checkpoint", []string{"runtime/core"}},
	{"runtime/ingress", []string{"runtime/core", "runtime/module"}},
	{"runtime/egress", []string{"runtime/core", "runtime/module"}},
	{"faas", []string{"runtime/core", "runtime/module", "lambda-sdk"}},
	{"runtime/node", []string{
		"faas", "runtime/ingress", "runtime/egress", "runtime/checkpoint", "runtime/shard", "runtime/module", "runtime/core", "lambda-sdk",
	}},
	{"runtime/application", []string{"runtime/node", "runtime/ingress", "runtime/egress", "runtime/module", "runtime/core", "faas", "lambda-sdk"}},
	{"runtime/embed", []string{"runtime", "faas", "lambda-sdk"}},
	{"runtime/admin", []string{"runtime/node", "runtime/egress", "runtime/core"}},
	{"runtime/sim", []string{"runtime/checkpoint", "runtime/shard", "runtime/ingress", "runtime/core"}},
	{"cmd/lambda-adapter", nil},
	{"cmd", []string{"runtime", "faas", "lambda-sdk"}},
	{"examples", []string{"cmd", "runtime", "faas", "lambda-sdk", "test/harness"}}, // Demos run the real binary from outside, as tests do.
	{"bench", []string{"cmd", "runtime", "faas", "lambda-sdk", "test"}},
	{"test", []string{"cmd", "runtime", "faas", "lambda-sdk"}},
}

// within reports whether path is folder or lies below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// layerOf finds the line that a package belongs to: the longest folder that holds it.
func layerOf(path string) (layer, bool) {
	var best layer
	for _, l := range layers {
		if within(path, l.folder) && len(l.folder) > len(best.folder) {
			best = l
		}
	}
	return best, best.folder != ""
}

// refused says why a package of folder from may not import the package of folder to; "" if it may.
func refused(from, to string) string {
	here, ok := layerOf(from)
	if !ok {
		return fmt.Sprintf("%s has no line in internal/lint/imports_test.go: add one that says what it may import", from)
	}
	if within(to, here.folder) || slices.ContainsFunc(here.below, func(f string) bool { return within(to, f) }) {
		return ""
	}
	if here.folder != "protocol" && here.folder != "internal" && here.folder != "runtime/core" &&
		slices.ContainsFunc(libraries, func(f string) bool { return within(to, f) }) {
		return ""
	}
	return fmt.Sprintf("%s imports %s, but may import only %v: declare a small interface in %s where it is needed, and let cmd/cluster or runtime/node pass the implementation in",
		from, to, here.below, from)
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range ourPackages(t) {
		if _, ok := layerOf(p.path()); !ok {
			t.Error(refused(p.path(), "."))
			continue
		}
		for _, imported := range p.Imports {
			to := folderOf(imported)
			if to == "" {
				continue
			}
			if why := refused(p.path(), to); why != "" {
				t.Error(why)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	cases := []struct {
		from, to string
		want     bool
	}{
		{"runtime/core", "protocol/reqreply", false},
		{"runtime/core", "runtime/shard", true},
		{"runtime/core", "internal/version", true},
		{"runtime/shard", "runtime/checkpoint", true},
		{"runtime/checkpoint/buckettest", "runtime/checkpoint", false},
		{"runtime/ingress/http", "runtime/egress/http", true},
		{"runtime/node", "runtime/egress/file", false},
		{"runtime/node", "cmd/cluster", true},
		{"faas/http", "runtime/node", true},
		{"faas/http", "internal/version", false},
		{"cmd/cluster", "runtime/node", false},
		{"cmd/lambda-adapter", "runtime/node", true},
		{"cmd/lambda-adapter", "protocol/reqreply", false},
		{"protocol", "runtime/core", true},
		{"unheard/of", "protocol", true},
	}
	for _, c := range cases {
		if got := refused(c.from, c.to); (got != "") != c.want {
			t.Errorf("%s importing %s: got %q, want a refusal: %v", c.from, c.to, got, c.want)
		}
	}
}
