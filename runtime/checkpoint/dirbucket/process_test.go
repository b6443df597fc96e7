package dirbucket_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
)

const racedKeys = 100

// TestRacer is one of the processes of TestProcessesRace: it prints the keys that it created.
func TestRacer(t *testing.T) {
	dir := os.Getenv("STATEWAY_TEST_RACE")
	if dir == "" {
		return // not started by TestProcessesRace
	}
	b := open(t, dir, dirbucket.Options{})
	for n := range racedKeys {
		key := fmt.Sprintf("app/control/%020d/%020d", 0, n+1)
		err := b.Create(t.Context(), key, fmt.Appendf(nil, "%d", os.Getpid()))
		switch {
		case err == nil:
			fmt.Printf("won %s %d\n", key, os.Getpid())
		case !errors.Is(err, checkpoint.ErrExists):
			t.Error(err)
		}
	}
}

func TestProcessesRace(t *testing.T) {
	dir := t.TempDir()
	outputs := make([]bytes.Buffer, 4)
	var wg sync.WaitGroup
	for i := range outputs {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestRacer$", "-test.v") //nolint:gosec // this test itself
			cmd.Env = append(os.Environ(), "STATEWAY_TEST_RACE="+dir)
			cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
			if err := cmd.Run(); err != nil {
				t.Errorf("%v: %s", err, outputs[i].String())
			}
		})
	}
	wg.Wait()
	b := open(t, dir, dirbucket.Options{})
	winners := map[string]string{}
	for i := range outputs {
		for line := range strings.Lines(outputs[i].String()) {
			var key, pid string
			if n, _ := fmt.Sscanf(line, "won %s %s", &key, &pid); n != 2 {
				continue
			}
			if winners[key] != "" {
				t.Fatalf("%s was created twice", key)
			}
			winners[key] = pid
			if got, err := b.Read(t.Context(), key); err != nil || string(got) != pid {
				t.Fatalf("%s holds %q, %v; process %s created it", key, got, err, pid)
			}
		}
	}
	if len(winners) != racedKeys {
		t.Fatalf("%d keys were created, want %d", len(winners), racedKeys)
	}
}

func TestOpenClearsOldTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, dirbucket.Options{})
	temp := filepath.Join(dir, ".tmp")
	old, young := filepath.Join(temp, "old"), filepath.Join(temp, "young")
	for _, p := range []string{old, young} {
		if err := os.MkdirAll(filepath.Join(p, "entries"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	open(t, dir, dirbucket.Options{})
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a crash left two days ago stays: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("what may be in use is gone: %v", err)
	}
	if _, err := dirbucket.Open(filepath.Join(dir, "file"), dirbucket.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dirbucket.Open(filepath.Join(dir, "plain"), dirbucket.Options{}); err == nil {
		t.Error("a file was opened as a bucket")
	}
}
