package lint

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDecisionsAreNumberedAndComplete(t *testing.T) {
	dir := filepath.Join(top(t), "docs", "decisions")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^\d{4}-[a-z0-9-]+\.md$`)
	next := 1
	for _, entry := range entries {
		if entry.Name() == "README.md" {
			continue
		}
		if !name.MatchString(entry.Name()) || !strings.HasPrefix(entry.Name(), fmt.Sprintf("%04d-", next)) {
			t.Errorf("docs/decisions/%s: want a name like %04d-what-was-decided.md, each number once, no gaps", entry.Name(), next)
			continue
		}
		next++
		if !strings.Contains(string(list), "]("+entry.Name()+")") {
			t.Errorf("docs/decisions/README.md does not list %s", entry.Name())
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"## Context", "## Decision", "## Consequences", "## Turned down"} {
			if !strings.Contains(string(text), "\n"+part+"\n") {
				t.Errorf("docs/decisions/%s lacks %q: see 0001-record-decisions.md", entry.Name(), part)
			}
		}
	}
}

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced = regexp.MustCompile("(?ms)^```.*?^```") // Go has brackets followed by parentheses, too.
)

func TestLinksLeadSomewhere(t *testing.T) {
	err := filepath.WalkDir(top(t), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "testdata") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, ":") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
