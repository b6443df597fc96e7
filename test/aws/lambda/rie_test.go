package lambda

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// The Runtime Interface Emulator comes with AWS SAM's Python package.
const (
	samPackage = "aws-sam-cli==1.170.0"
	rieInWheel = "samcli/local/rapid/aws-lambda-rie-x86_64"
	rieSHA256  = "6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5"
)

// runtimeInterfaceEmulator returns the emulator's path. It is fetched from PyPI once, into the folder of tools.
func runtimeInterfaceEmulator(ctx context.Context) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", &harness.MissingToolError{What: "Linux on x86-64", Remedy: "run the tests on such a machine"}
	}
	tools, err := harness.Tools()
	if err != nil {
		return "", err
	}
	path := filepath.Join(tools, "lambda", "aws-lambda-rie-"+rieSHA256[:12])
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if exec.CommandContext(ctx, "python3", "-m", "pip", "--version").Run() != nil {
		return "", &harness.MissingToolError{What: "python3 with pip", Remedy: "apt-get install python3-pip"}
	}
	dir, err := os.MkdirTemp("", "stateway-rie-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if _, err := harness.CommandOutput(ctx, "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", dir, samPackage); err != nil {
		return "", err
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return "", fmt.Errorf("%d wheels of %s: %w", len(wheels), samPackage, err)
	}
	return path, takeOut(wheels[0], path)
}

// takeOut copies the emulator out of the wheel, if it is the one that was looked at.
func takeOut(wheel, path string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer z.Close()
	f, err := z.Open(rieInWheel)
	if err != nil {
		return err
	}
	defer f.Close()
	program, err := io.ReadAll(io.LimitReader(f, 64<<20))
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(program); hex.EncodeToString(sum[:]) != rieSHA256 {
		return fmt.Errorf("%s of %s has the checksum %x, not %s", rieInWheel, samPackage, sum, rieSHA256)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", program, 0o700); err != nil { //nolint:gosec // a program
		return err
	}
	return os.Rename(path+".new", path)
}

// awaitPort waits until somebody listens.
func awaitPort(t *testing.T, port int) {
	t.Helper()
	var d net.Dialer
	harness.Eventually(t, time.Minute, func() bool {
		c, err := d.DialContext(t.Context(), "tcp", harness.Loopback(port))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, func() string { return fmt.Sprintf("nobody listens at %d", port) })
}
