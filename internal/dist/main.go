// Command dist builds what is deployed to AWS Lambda: for each architecture a zip file with cmd/lambda-adapter as the bootstrap of a custom
// runtime (provided.al2023), and one with it as a layer beside a managed runtime. `make dist` is this program.
//
// The same sources and the same Go give the same bytes, wherever and whenever: no times, no paths, no build ids.
package main

import (
	"archive/zip"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const adapter = "github.com/stateway/stateway/cmd/lambda-adapter"

// architectures by Go's name, with Lambda's.
var architectures = [][2]string{{"amd64", "x86_64"}, {"arm64", "arm64"}}

// archives are the zip files of an architecture: the name and what the program is called within.
var archives = [][2]string{{"lambda-adapter", "bootstrap"}, {"lambda-adapter-layer", "lambda-adapter"}}

func main() {
	to := flag.String("to", "dist", "folder for what is built")
	flag.Parse()
	if err := dist(*to); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// dist writes the zip files and a file with their checksums into a folder, which it makes.
func dist(to string) error {
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	var sums strings.Builder
	for _, arch := range architectures {
		program, err := build(arch[0])
		if err != nil {
			return err
		}
		for _, archive := range archives {
			name := archive[0] + "-" + arch[1] + ".zip"
			if err := pack(filepath.Join(to, name), archive[1], program); err != nil {
				return fmt.Errorf("write %s: %w", name, err)
			}
			b, err := os.ReadFile(filepath.Join(to, name)) //nolint:gosec // written just now
			if err != nil {
				return err
			}
			fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(b), name)
		}
	}
	fmt.Print(sums.String())
	return os.WriteFile(filepath.Join(to, "SHA256SUMS"), []byte(sums.String()), 0o600)
}

// build returns the adapter's program for Linux on an architecture.
func build(arch string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "stateway-dist-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "program")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-tags", "lambda.norpc", "-o", path, adapter) //nolint:gosec // our own
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the adapter for %s: %w\n%s", arch, err, out)
	}
	return os.ReadFile(path) //nolint:gosec // built just now
}

// epoch is the time that files have in the archives: the earliest that a zip file can hold.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// pack writes a zip file with one executable.
func pack(path, name string, program []byte) error {
	f, err := os.Create(path) //nolint:gosec // where the user said
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	z := zip.NewWriter(f)
	head := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch}
	head.SetMode(0o755)
	w, err := z.CreateHeader(head)
	if err != nil {
		return err
	}
	if _, err := w.Write(program); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}
