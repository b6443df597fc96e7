package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/s3bucket"
	"github.com/stateway/stateway/runtime/node"
	"github.com/stateway/stateway/runtime/shard"
)

func TestReport(t *testing.T) {
	cases := []struct {
		name string
		err  error
		code int
		text string
	}{
		{"nothing", nil, 0, ""},
		{"anything", errors.New("boom"), 1, "stateway: boom\n"},
		{"usage", usageError(errors.New("bad flag")), 2, "stateway: bad flag\n"},
		{"usage keeps a code", usageError(said(1, errors.New("x"))), 1, ""},
		{"deposed", fmt.Errorf("commit: %w", node.ErrDeposed), 3, "stateway: commit: another process leads this application now\n"},
		{"locked", errors.Join(fmt.Errorf("open: %w", shard.ErrLocked)), 4, "stateway: open: data directory is in use\n"},
		{"dropped", node.ErrDropped, 2, "stateway: the application lacks what it still has data of\n"},
		{"a bucket that will not do", fmt.Errorf("open: %w", &s3bucket.SetupError{Bucket: "s3://b", Advice: "no"}), 2, "stateway: open: bucket s3://b: no\n"},
		{"another number of shards", checkpoint.ErrApplication, 2, "stateway: application cannot be opened\n"},
		{"said already", said(2, errors.New("x")), 2, ""},
		{"several", errors.Join(errors.New("a"), errors.New("b")), 1, "stateway: a\nstateway: b\n"},
	}
	for _, c := range cases {
		var out strings.Builder
		if code := report(&out, c.err); code != c.code || out.String() != c.text {
			t.Errorf("%s: got %d %q, want %d %q", c.name, code, &out, c.code, c.text)
		}
	}
}
