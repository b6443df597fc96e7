package compat

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds each wait for something that must come.
const patience = 30 * time.Second

// session drives one scenario.
type session struct {
	t       *testing.T
	system  system
	results *results
	event   string // of the next put, then empty again
}

// results collects what arrives in the playground topic "results", for all scenarios of one system.
type results struct {
	mu      sync.Mutex
	lines   map[string]string // guarded by mu: by label, the first word
	repeats bool              // guarded by mu: what was taken just before a crash may be offered again
	changed chan struct{}     // guarded by mu: closed and replaced with each arrival
	stop    context.CancelFunc
	done    chan struct{}
}

var (
	collectorsMu sync.Mutex
	collectors   = map[system]*results{} // guarded by collectorsMu
)

func newSession(t *testing.T, s system) *session {
	return &session{t: t, system: s, results: collect(t, s)}
}

// collect returns the one collector of a system; it ends with the first test that asked for it.
func collect(t *testing.T, s system) *results {
	collectorsMu.Lock()
	defer collectorsMu.Unlock()
	if r := collectors[s]; r != nil {
		return r
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &results{lines: map[string]string{}, changed: make(chan struct{}), stop: cancel, done: make(chan struct{})}
	collectors[s] = r
	go r.run(ctx, t, s)
	t.Cleanup(func() {
		cancel()
		<-r.done
		collectorsMu.Lock()
		defer collectorsMu.Unlock()
		delete(collectors, s)
	})
	return r
}

func (r *results) run(ctx context.Context, t *testing.T, s system) {
	defer close(r.done)
	for ctx.Err() == nil {
		line, ok, err := s.take(ctx, "results")
		if err != nil || !ok { // while a node restarts, its egress does not answer
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		label, _, _ := strings.Cut(line, " ")
		r.mu.Lock()
		if old, twice := r.lines[label]; twice && (!r.repeats || old != line) {
			t.Errorf("result %q arrived twice: %q and %q", label, old, line)
		}
		r.lines[label] = line
		close(r.changed)
		r.changed = make(chan struct{})
		r.mu.Unlock()
	}
}

func (r *results) allowRepeats() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.repeats = true
}

func (r *results) look(label string) (string, bool, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line, ok := r.lines[label]
	return line, ok, r.changed
}

// put sends a command and waits until it is taken.
func (s *session) put(function, id, command string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	err := s.system.put(ctx, function, id, command, s.event)
	s.event = ""
	if err != nil {
		s.t.Fatal(err)
	}
}

// await returns the result line that begins with label.
func (s *session) await(label string) string {
	s.t.Helper()
	limit := time.After(patience)
	for {
		line, ok, changed := s.results.look(label)
		if ok {
			return line
		}
		select {
		case <-changed:
		case <-limit:
			s.t.Fatalf("no result %q within %s", label, patience)
		}
	}
}

// expect waits for the result that begins with the line's first word and compares it whole.
func (s *session) expect(want string) {
	s.t.Helper()
	label, _, _ := strings.Cut(want, " ")
	if got := s.await(label); got != want {
		s.t.Errorf("result\n got %q\nwant %q", got, want)
	}
}

// expectStates compares the states in a dumped line: those in want, as name=value, and no others. Absent ones need not be named.
func (s *session) expectStates(line, want string) {
	s.t.Helper()
	var present []string
	for _, word := range strings.Split(line, " ")[1:] {
		if !strings.HasSuffix(word, "=-") {
			present = append(present, word)
		}
	}
	if got := strings.Join(present, " "); got != want {
		s.t.Errorf("states\n got %q\nwant %q", got, want)
	}
}

// expectDump waits for a dump and compares the states in it.
func (s *session) expectDump(label, want string) {
	s.t.Helper()
	s.expectStates(s.await(label), want)
}

// lines joins the lines of a command.
func lines(l ...string) string { return strings.Join(l, "\n") }

// line makes an operation and its arguments.
func line(operation string, arguments ...string) string {
	for _, a := range arguments {
		operation += " " + strings.ReplaceAll(url.QueryEscape(a), "+", "%20")
	}
	return operation
}
