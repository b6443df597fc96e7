package stateway_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Functions carry the SDK's dependencies into every deployment: the standard library, protobuf and, for packed groups,
// a compressor are all. Generated messages of the protocol are none of them: another SDK may register the same.
func TestTheSDKDependsOnLittle(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.go", "*/*.go", "../protocol/group/*.go", "../protocol/trace/*.go", "../protocol/wire/*.go"} {
		found, _ := filepath.Glob(pattern)
		files = append(files, found...)
	}
	for _, path := range files {
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
		path == "github.com/klauspost/compress/zstd" ||
		path == "github.com/stateway/stateway/protocol/group" || path == "github.com/stateway/stateway/protocol/trace" || path == "github.com/stateway/stateway/protocol/wire" ||
		strings.HasPrefix(path, "github.com/stateway/stateway/lambda-sdk")
}
