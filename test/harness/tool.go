package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
)

// tool is a Go program of others, pinned by the go.mod of the folder below tools that has its name.
type tool struct {
	name   string
	module string
	pkg    string // its main package, from the module's top folder
}

// build builds the program into the folder of tools unless that was done, and returns its path. Of several processes one builds, and
// the others wait.
func (t tool) build(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	tools, err := Tools()
	if err != nil {
		return "", err
	}
	pins := filepath.Join(root, "tools", t.name)
	version, err := pinnedVersion(filepath.Join(pins, "go.mod"), t.module)
	if err != nil {
		return "", err
	}
	path := filepath.Join(tools, "bin", t.name+"-"+version+"-"+runtime.Version())
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return "", err
	}
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fresh := path + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-o", fresh, t.module+"/"+t.pkg)
	cmd.Dir = pins
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s in %s: %w\n%s", t.module, pins, err, out)
	}
	return path, os.Rename(fresh, path)
}

// pinnedVersion is the version of a module that a go.mod requires.
func pinnedVersion(goMod, module string) (string, error) {
	text, err := os.ReadFile(goMod)
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("%s requires no version of %s", goMod, module)
	}
	return string(bytes.TrimSpace(m[1])), nil
}

// lockFile waits for the lock of a file, which the end of the process frees.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil // which frees the lock
}
