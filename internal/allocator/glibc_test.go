//go:build cgo && linux

package allocator_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const blocks = 64 << 20 // of testdata/kept, in bytes

// kept runs testdata/kept and returns how much of what it freed it still has.
func kept(t *testing.T, binary, how string, env ...string) int64 {
	t.Helper()
	cmd := exec.Command(binary, how)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "MALLOC_") || strings.HasPrefix(v, "GLIBC_TUNABLES=")
	}), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFreedMemoryGoesBack(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "kept")
	if out, err := exec.Command("go", "build", "-o", binary, "./testdata/kept").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tuned, untuned := kept(t, binary, "tune"), kept(t, binary, "")
	if tuned > blocks/8 {
		t.Errorf("a tuned process still has %d bytes of %d that it freed", tuned, blocks)
	}
	if untuned < blocks/2 {
		t.Logf("without Tune it has %d bytes: this C library gives all back, and has no variables that win", untuned)
		return
	}
	for _, env := range []string{"MALLOC_MMAP_THRESHOLD_=33554432", "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=33554432"} {
		if n := kept(t, binary, "tune", env); n < untuned/2 {
			t.Errorf("with %s it has %d bytes, %d without Tune: the environment does not win", env, n, untuned)
		}
	}
}
