package harness

import (
	"context"
	"errors"
	"testing"
)

// Without a toolchain the error says how to get it, whatever was installed before.
func TestMissingToolsAreNamed(t *testing.T) {
	if _, err := Root(); err != nil { // found by the go command, and kept
		t.Fatal(err)
	}
	t.Setenv("STATEWAY_TOOLS", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	for name, start := range map[string]func(context.Context) error{
		"kinesis-local": func(ctx context.Context) error { _, err := StartKinesisLocal(ctx); return err },
		"kinesalite":    func(ctx context.Context) error { _, err := StartKinesalite(ctx); return err },
		"microburst":    func(ctx context.Context) error { _, err := StartMicroburst(ctx, ""); return err },
	} {
		var missing *MissingToolError
		if err := start(t.Context()); !errors.As(err, &missing) || missing.Remedy == "" {
			t.Errorf("%s: got %v, want what is missing and the command that gets it", name, err)
		}
	}
}
