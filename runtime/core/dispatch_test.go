package core_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/core"
)

// dispatchScript runs a script: blocks of comments, events, a line ---- and the effects, one a line.
type dispatchScript struct {
	d    *core.Dispatcher
	invs map[string]*core.Invocation
	out  []core.DispatchEffect
}

func TestDispatchScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/dispatch/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &dispatchScript{invs: make(map[string]*core.Invocation)}
			var got []string
			for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
				got = append(got, s.block(t, block))
			}
			all := strings.Join(got, "\n\n") + "\n"
			if f := flag.Lookup("rewrite"); f != nil && f.Value.String() == "true" { // of the other scripts
				if err := os.WriteFile(file, []byte(all), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if all != string(text) {
				t.Errorf("got:\n%s", diffLines(string(text), all))
			}
		})
	}
}

// diffLines shows the first lines that differ, with what stands before them.
func diffLines(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(w) && i < len(g) && w[i] == g[i] {
		i++
	}
	return fmt.Sprintf("line %d:\n%s\nwant:\n%s\ngot:\n%s", i+1, strings.Join(w[max(i-6, 0):i], "\n"),
		strings.Join(w[i:min(i+8, len(w))], "\n"), strings.Join(g[i:min(i+8, len(g))], "\n"))
}

func (s *dispatchScript) block(t *testing.T, block string) string {
	t.Helper()
	var lines []string
	s.out = s.out[:0]
	for line := range strings.SplitSeq(block, "\n") {
		if line == "----" {
			break
		}
		lines = append(lines, line)
		if !strings.HasPrefix(line, "#") {
			s.event(t, strings.Fields(line))
		}
	}
	lines = append(lines, "----")
	for i := range s.out {
		lines = append(lines, printEffect(&s.out[i]))
	}
	return strings.Join(lines, "\n")
}

func dispatchNumber(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// event runs one line: new, submit, answer, tick or forget. a..c names several, as in p1..3.
func (s *dispatchScript) event(t *testing.T, words []string) {
	t.Helper()
	switch words[0] {
	case "new":
		cfg := core.DispatcherConfig{Retry: core.Retry{Initial: 100, Max: 1000, Multiplier: 2, Jitter: -1}}
		for _, w := range words[1:] {
			k, v, _ := strings.Cut(w, "=")
			switch k {
			case "pool":
				cfg.PoolSize = dispatchNumber(t, v)
			case "probes":
				cfg.Probes = dispatchNumber(t, v)
			case "jitter":
				cfg.Retry.Jitter, _ = strconv.ParseFloat(v, 64)
			default:
				t.Fatalf("unknown setting %q", w)
			}
		}
		s.d = core.NewDispatcher(cfg)
	case "submit":
		gen := core.Generation(0)
		for _, name := range names(t, words[1:]) {
			if v, ok := strings.CutPrefix(name, "generation="); ok {
				gen = core.Generation(dispatchNumber(t, v)) //nolint:gosec // small
				continue
			}
			inv := &core.Invocation{Target: core.Address{Type: "f/n", ID: name}, Try: core.TryID{Generation: gen}}
			s.invs[name] = inv
			s.step(core.DispatchEvent{Kind: core.DispatchSubmit, Invocation: inv})
		}
	case "answer":
		o := outcomeOf(t, words[2:])
		for _, name := range names(t, words[1:2]) {
			if s.invs[name] == nil {
				t.Fatalf("%q was never submitted", name)
			}
			s.step(core.DispatchEvent{Kind: core.DispatchAnswered, Invocation: s.invs[name], Outcome: o})
		}
	case "tick":
		s.step(core.DispatchEvent{Kind: core.DispatchTick, Now: core.Millis(dispatchNumber(t, words[1]))})
	case "forget":
		s.step(core.DispatchEvent{Kind: core.DispatchForget, Generation: core.Generation(dispatchNumber(t, words[1]))}) //nolint:gosec // small
	default:
		t.Fatalf("unknown event %q", words)
	}
}

func (s *dispatchScript) step(ev core.DispatchEvent) { s.out = s.d.Step(&ev, s.out) }

// names expands p1..3 to p1 p2 p3.
func names(t *testing.T, words []string) []string {
	t.Helper()
	var out []string
	for _, w := range words {
		first, last, ok := strings.Cut(w, "..")
		if !ok {
			out = append(out, w)
			continue
		}
		prefix := strings.TrimRight(first, "0123456789")
		for i := dispatchNumber(t, first[len(prefix):]); i <= dispatchNumber(t, last); i++ {
			out = append(out, prefix+strconv.Itoa(i))
		}
	}
	return out
}

func outcomeOf(t *testing.T, words []string) core.Outcome {
	t.Helper()
	o := core.Outcome{Reason: "why"}
	switch words[0] {
	case "ok":
		o.Reason = ""
	case "trouble":
		o.Class = core.OutcomeTrouble
	case "failed":
		o.Class = core.OutcomeFailed
	default:
		t.Fatalf("unknown outcome %q", words)
	}
	for _, w := range words[1:] {
		v, _ := strings.CutPrefix(w, "retry-after=")
		o.RetryAfter = core.Millis(dispatchNumber(t, v))
	}
	return o
}

func printEffect(e *core.DispatchEffect) string {
	switch e.Kind {
	case core.DispatchSend:
		return "send " + e.Invocation.Target.ID
	case core.DispatchDeliver:
		r := &e.Result
		text := fmt.Sprintf("deliver %s %s took=%d", r.Invocation.Target.ID, r.Outcome.Class, r.Outcome.Took)
		if r.Outcome.Reason != "" {
			text += fmt.Sprintf(" reason=%q", r.Outcome.Reason)
		}
		return text
	case core.DispatchWindow:
		return fmt.Sprintf("window %d", e.Window)
	case core.DispatchWake:
		return fmt.Sprintf("wake %d", e.At)
	}
	return fmt.Sprintf("unknown effect %d", e.Kind)
}
