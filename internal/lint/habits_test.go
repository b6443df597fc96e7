package lint

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	for _, p := range ourPackages(t) {
		written := 0
		eachFile(t, p, p.GoFiles, func(*token.FileSet, *ast.File) { written++ })
		if written > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment: add a doc.go that says what the package is for, what always holds, and who calls it", p.path())
		}
	}
}

// emptyNames are package names that say nothing about what a package knows.
var emptyNames = []string{"util", "utils", "common", "helpers", "base", "types", "misc"}

func TestPackagesAreNamedForWhatTheyKnow(t *testing.T) {
	for _, p := range ourPackages(t) {
		if slices.Contains(emptyNames, p.Name) && !within(p.path(), "protocol") {
			t.Errorf("%s is called %q: name it for what it knows, or move its functions beside their callers", p.path(), p.Name)
		}
	}
}

func TestNothingRegistersItself(t *testing.T) {
	for _, p := range ourPackages(t) {
		eachFile(t, p, p.GoFiles, func(fset *token.FileSet, file *ast.File) {
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s: func init; wire it by hand in cmd/cluster, one map per kind", at(p, fset, f))
				}
			}
		})
	}
}

// turnedDown are modules that the project decided against; docs/decisions/0002-libraries.md says why.
var turnedDown = map[string]string{
	"github.com/stretchr/testify":        "compare whole values with go-cmp and print got and want",
	"gopkg.in/yaml.v3":                   "use github.com/goccy/go-yaml",
	"github.com/spf13/viper":             "decode strictly into a struct",
	"go.uber.org/zap":                    "use log/slog",
	"github.com/sirupsen/logrus":         "use log/slog",
	"github.com/gogo/protobuf":           "use google.golang.org/protobuf",
	"github.com/aws/aws-sdk-go":          "use aws-sdk-go-v2",
	"io/ioutil":                          "use io and os",
	"golang.org/x/exp":                   "use the standard library's slices, maps and cmp",
	"github.com/hashicorp/go-multierror": "use errors.Join",
}

func TestLibrariesAreThoseDecidedOn(t *testing.T) {
	decided, err := os.ReadFile(filepath.Join(top(t), "docs", "decisions", "0002-libraries.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ourPackages(t) {
		files := slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles)
		eachFile(t, p, files, func(fset *token.FileSet, file *ast.File) {
			for _, spec := range file.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				for module, remedy := range turnedDown {
					if within(path, module) {
						t.Errorf("%s: imports %s; %s", at(p, fset, spec), path, remedy)
					}
				}
				if !named(string(decided), path) {
					t.Errorf("%s: imports %s, which docs/decisions/0002-libraries.md does not name: add a row with the reason, or do without", at(p, fset, spec), path)
				}
			}
		})
	}
}

// named reports whether text names path's module in backquotes; the standard library and our own packages need no naming.
func named(text, path string) bool {
	first, _, _ := strings.Cut(path, "/")
	if !strings.Contains(first, ".") || folderOf(path) != "" {
		return true
	}
	for module := path; strings.Contains(module, "/"); module = module[:strings.LastIndexByte(module, '/')] {
		if strings.Contains(text, "`"+module+"`") {
			return true
		}
	}
	return false
}

func TestModuleReplacesNothing(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^\s*(replace|exclude)\b`).Match(text) {
		t.Error("go.mod has a replace or exclude, which `go install` of the module refuses: require the version that works instead")
	}
}

func TestMakeTargetsSayWhatTheyDo(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := []string{"check-format", "check-code", "check-proto"} // Steps of lint and of the test run.
	for _, m := range regexp.MustCompile(`(?m)^\.PHONY: (\S+)\n(.*)$`).FindAllStringSubmatch(string(text), -1) {
		target, rule := m[1], m[2]
		if !strings.HasPrefix(rule, target+":") {
			t.Errorf("Makefile: .PHONY: %s is followed by %q: put it right above its target", target, rule)
		}
		if !strings.Contains(rule, "## ") && !slices.Contains(quiet, target) {
			t.Errorf("Makefile: target %s has no `## what it does`, so that plain make does not list it", target)
		}
	}
}

// TestLinkerSetsWhatIsThere keeps -X and the variables together: the linker ignores a name that does not exist.
func TestLinkerSetsWhatIsThere(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(top(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(top(t), "internal", "version", "version.go"))
	if err != nil {
		t.Fatal(err)
	}
	set := regexp.MustCompile(`-X \$\(MODULE\)/internal/version\.(\w+)=`).FindAllStringSubmatch(string(makefile), -1)
	if len(set) != 3 {
		t.Errorf("the Makefile sets %d variables of internal/version, want version, commit and date", len(set))
	}
	for _, m := range set {
		if !regexp.MustCompile(`(?m)^\s+` + m[1] + `\s+string$`).Match(source) {
			t.Errorf("the Makefile sets internal/version.%s, which is not there: rename one of them", m[1])
		}
	}
}
