package module

import (
	"os"
	"strings"
	"testing"
)

// archive is a golden file: a comment, then parts that each begin with a line "-- name --".
type archive struct {
	comment string
	parts   []part
}

type part struct {
	name string
	text string
}

func readArchive(t testing.TB, file string) archive {
	t.Helper()
	data, err := os.ReadFile(file) //nolint:gosec // a file of testdata
	if err != nil {
		t.Fatal(err)
	}
	var a archive
	to := &a.comment
	for line := range strings.Lines(string(data)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		if name, ok2 := strings.CutSuffix(name, " --"); ok && ok2 {
			a.parts = append(a.parts, part{name: name})
			to = &a.parts[len(a.parts)-1].text
			continue
		}
		*to += line
	}
	return a
}

func (a archive) write(t testing.TB, file string) {
	t.Helper()
	text := a.comment
	for _, p := range a.parts {
		text += "-- " + p.name + " --\n" + p.text
		if p.text != "" && !strings.HasSuffix(p.text, "\n") {
			text += "\n"
		}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
