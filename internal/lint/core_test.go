package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const coreFolder = "runtime/core"

// coreMayNotImport are the standard library's ways to the world outside. A folder's name bars what lies below it, too.
var coreMayNotImport = []string{
	"net", "os", "syscall", "io/ioutil", "database/sql", "plugin", "log", "runtime", "context",
	"math/rand", "crypto/rand", "hash/maphash", "embed", "testing",
}

// coreMayImport are the modules of others that the core may use: they compute, and do nothing else.
var coreMayImport = []string{"github.com/cespare/xxhash/v2", "google.golang.org/protobuf"}

// coreMayNotCall are functions of packages that it may otherwise import.
var coreMayNotCall = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
}

const coreRemedy = "the core has no I/O, clock, goroutine or chance of its own: let it come in as an event or go out as an effect"

// reachedByCore returns the core's packages and those of ours that they import, directly or not.
func reachedByCore(t *testing.T) []pkg {
	t.Helper()
	byPath := map[string]pkg{}
	var queue []pkg
	for _, p := range ourPackages(t) {
		byPath[p.ImportPath] = p
		if within(p.path(), coreFolder) {
			queue = append(queue, p)
		}
	}
	var reached []pkg
	seen := map[string]bool{}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if seen[p.ImportPath] {
			continue
		}
		seen[p.ImportPath] = true
		reached = append(reached, p)
		for _, imported := range p.Imports {
			if next, ours := byPath[imported]; ours {
				queue = append(queue, next)
			}
		}
	}
	return reached
}

func TestCoreReachesNoWorld(t *testing.T) {
	for _, p := range reachedByCore(t) {
		eachFile(t, p, p.GoFiles, func(fset *token.FileSet, file *ast.File) {
			for _, spec := range file.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err == nil && !coreMayUse(path) {
					t.Errorf("%s: imports %s; %s", at(p, fset, spec), path, coreRemedy)
				}
			}
			for _, found := range worldly(file) {
				t.Errorf("%s: %s; %s", at(p, fset, found.node), found.what, coreRemedy)
			}
		})
	}
}

// coreMayUse reports whether a file that the core reaches may import path.
func coreMayUse(path string) bool {
	if folderOf(path) != "" {
		return true // TestImportsPointDown's business.
	}
	holds := func(folder string) bool { return within(path, folder) }
	if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
		return slices.ContainsFunc(coreMayImport, holds)
	}
	return !slices.ContainsFunc(coreMayNotImport, holds)
}

// worldliness is a place where code does what the core must leave to its driver.
type worldliness struct {
	node ast.Node
	what string
}

func worldly(file *ast.File) []worldliness {
	names := map[string]string{} // a barred package's name in this file, by which its calls are found
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if _, barred := coreMayNotCall[path]; err != nil || !barred {
			continue
		}
		name := path
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	var found []worldliness
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, worldliness{n, "starts a goroutine"})
		case *ast.SelectStmt:
			found = append(found, worldliness{n, "waits in a select"})
		case *ast.ChanType:
			found = append(found, worldliness{n, "has a channel"})
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(coreMayNotCall[names[x.Name]], n.Sel.Name) {
				found = append(found, worldliness{n, "uses " + x.Name + "." + n.Sel.Name})
			}
		}
		return true
	})
	return found
}

func TestWorldly(t *testing.T) {
	const source = `package core
import clock "time"
type later struct{ clock.Duration }
func step(time interface{ Now() int }) int {
	go func() { _ = clock.Now() }()
	wake := make(chan int)
	select { case <-wake: default: }
	_ = clock.UnixMilli(5)
	return time.Now()
}`
	file, err := parser.ParseFile(token.NewFileSet(), "core.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, found := range worldly(file) {
		got = append(got, found.what)
	}
	want := []string{"starts a goroutine", "uses clock.Now", "has a channel", "waits in a select"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCoreMayUse(t *testing.T) {
	cases := map[string]bool{
		"fmt": true, "time": true, "sort": true, "container/heap": true, "os": false, "os/exec": false, "net/http": false,
		"math/rand/v2": false, "github.com/cockroachdb/pebble/v2": false, "github.com/cespare/xxhash/v2": true,
		"google.golang.org/protobuf/proto": true, modulePath + "/protocol": true,
	}
	for path, want := range cases {
		if got := coreMayUse(path); got != want {
			t.Errorf("coreMayUse(%q) = %v, want %v", path, got, want)
		}
	}
}
