package main

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestTwoRunsGiveTheSameBytes(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if err := dist(dir); err != nil {
			t.Fatal(err)
		}
		t.Setenv("GOFLAGS", "-v") // a setting of the second machine
		t.Setenv("TZ", "Asia/Tokyo")
	}
	entries, err := os.ReadDir(first)
	if err != nil || len(entries) != 5 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		a, err := os.ReadFile(filepath.Join(first, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(second, e.Name()))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %v", e.Name(), err)
		}
	}
	for name, want := range map[string]struct {
		program string
		machine elf.Machine
	}{
		"lambda-adapter-x86_64.zip":       {"bootstrap", elf.EM_X86_64},
		"lambda-adapter-arm64.zip":        {"bootstrap", elf.EM_AARCH64},
		"lambda-adapter-layer-x86_64.zip": {"lambda-adapter", elf.EM_X86_64},
		"lambda-adapter-layer-arm64.zip":  {"lambda-adapter", elf.EM_AARCH64},
	} {
		z, err := zip.OpenReader(filepath.Join(first, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(z.File) != 1 || z.File[0].Name != want.program || z.File[0].Mode().Perm() != 0o755 {
			t.Errorf("%s holds %+v", name, z.File)
		}
		checkProgram(t, z.File[0], want.machine)
		_ = z.Close()
	}
}

// checkProgram checks that a program is static and for that machine.
func checkProgram(t *testing.T, f *zip.File, machine elf.Machine) {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	program, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	e, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	if libraries, _ := e.ImportedLibraries(); e.Machine != machine || len(libraries) != 0 {
		t.Errorf("%s is for %s and needs %v", f.Name, e.Machine, libraries)
	}
}
