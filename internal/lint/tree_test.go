package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const modulePath = "github.com/stateway/stateway"

// pkg is one package of the module, as `go list` tells it.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Doc          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
}

// path is the package's folder below the module's top; "." is the top itself.
func (p pkg) path() string { return folderOf(p.ImportPath) }

// folderOf turns an import path of ours into its folder; another module's path gives "".
func folderOf(importPath string) string {
	if importPath == modulePath {
		return "."
	}
	folder, ours := strings.CutPrefix(importPath, modulePath+"/")
	if !ours {
		return ""
	}
	return folder
}

// packages lists the module's packages, once a process. Code that does not parse is the compiler's business, not ours.
var packages = sync.OnceValues(func() ([]pkg, error) {
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Name,Doc,GoFiles,TestGoFiles,XTestGoFiles,Imports", modulePath+"/...").Output()
	if err != nil {
		return nil, err
	}
	var list []pkg
	stream := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := stream.Decode(&p); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
})

func ourPackages(t *testing.T) []pkg {
	t.Helper()
	list, err := packages()
	if err != nil {
		t.Fatalf("go list %s/...: %v", modulePath, err)
	}
	if len(list) == 0 {
		t.Fatal("go list found no package of ours")
	}
	return list
}

// top is the repository's top folder.
func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// eachFile parses the named files of p and hands them to look. Generated files are left out.
func eachFile(t *testing.T, p pkg, names []string, look func(fset *token.FileSet, file *ast.File)) {
	t.Helper()
	for _, name := range names {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
		if err != nil {
			continue // The compiler says it better.
		}
		if !ast.IsGenerated(file) {
			look(fset, file)
		}
	}
}

// at says where a node stands, as file:line below the repository's top.
func at(p pkg, fset *token.FileSet, n ast.Node) string {
	pos := fset.Position(n.Pos())
	pos.Filename = filepath.Join(p.path(), filepath.Base(pos.Filename))
	pos.Column = 0
	return pos.String()
}
