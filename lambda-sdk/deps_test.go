package stateway_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Functions carry the SDK's dependencies into every deployment: the standard library and protobuf are all. Move code
// that needs more into a package of its own.
func TestTheSDKDependsOnProtobufOnly(t *testing.T) {
	own, _ := filepath.Glob("*.go")
	sub, _ := filepath.Glob("*/*.go")
	for _, path := range append(own, sub...) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if imported, _ := strconv.Unquote(spec.Path.Value); !allowedImport(imported) {
				t.Errorf("%s imports %s", path, imported)
			}
		}
	}
}

func allowedImport(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") ||
		strings.HasPrefix(path, "google.golang.org/protobuf/") ||
		strings.HasPrefix(path, "github.com/stateway/stateway/lambda-sdk")
}
