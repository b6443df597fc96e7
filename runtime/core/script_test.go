package core

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "rewrite what the scripts in testdata expect")

// A script is text: blocks with an empty line between them. A block is a rule as a comment, commands,
// a line of four dashes, and what the commands print.
type scriptBlock struct {
	comment  []string
	commands []string
	want     string
}

// command is a line of a script: a name, words, and key=value options in the order in which they stand.
type command struct {
	name    string
	words   []string
	options []option
}

type option struct{ key, value string }

func parseScript(text string) ([]scriptBlock, error) {
	var blocks []scriptBlock
	for _, part := range strings.Split(strings.TrimSpace(text), "\n\n") {
		b, err := parseBlock(strings.Trim(part, "\n"))
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

func parseBlock(text string) (scriptBlock, error) {
	var b scriptBlock
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "#"):
			b.comment = append(b.comment, line)
		case line == "----":
			b.want = strings.Join(lines[i+1:], "\n")
			return b, nil
		default:
			b.commands = append(b.commands, line)
		}
	}
	if len(b.commands) == 0 {
		return b, nil // a comment that stands alone
	}
	return b, fmt.Errorf("a block without ----: %q", text)
}

func (b scriptBlock) String() string {
	lines := append(append([]string(nil), b.comment...), b.commands...)
	if len(b.commands) > 0 {
		lines = append(lines, "----")
	}
	if b.want != "" {
		lines = append(lines, b.want)
	}
	return strings.Join(lines, "\n")
}

func parseCommand(line string) command {
	fields := strings.Fields(line)
	c := command{name: fields[0]}
	for _, f := range fields[1:] {
		if k, v, ok := strings.Cut(f, "="); ok && !strings.Contains(k, "/") {
			c.options = append(c.options, option{k, v})
		} else {
			c.words = append(c.words, f)
		}
	}
	return c
}

func (c command) text(key, otherwise string) string {
	for _, o := range c.options {
		if o.key == key {
			return o.value
		}
	}
	return otherwise
}

func (c command) number(key string, otherwise int64) int64 {
	if v := c.text(key, ""); v != "" {
		return number(v)
	}
	return otherwise
}

func (c command) word(i int) string {
	if i >= len(c.words) {
		panic(fmt.Sprintf("script: %s needs %d words", c.name, i+1))
	}
	return c.words[i]
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic("script: not a number: " + s)
	}
	return n
}

// runScripts runs every script of a folder on its own interpreter.
func runScripts(t *testing.T, dir string, fresh func(t *testing.T) func(command) string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts in %s: %v, %v", dir, files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			runScript(t, file, fresh(t))
		})
	}
}

func runScript(t *testing.T, file string, run func(command) string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := parseScript(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var out []string
	for _, b := range blocks {
		got := runBlock(b, run)
		if got != b.want && !*rewrite {
			t.Errorf("%s\n%s\n%s\n---- got\n%s\n---- want\n%s", file,
				strings.Join(b.comment, "\n"), strings.Join(b.commands, "\n"), got, b.want)
		}
		b.want = got
		out = append(out, b.String())
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func runBlock(b scriptBlock, run func(command) string) string {
	var out strings.Builder
	for _, line := range b.commands {
		out.WriteString(run(parseCommand(line)))
	}
	return strings.TrimRight(out.String(), "\n")
}
