package main

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// patience bounds every wait of a script. A script that passes never waits that long.
const patience = 30 * time.Second

// functions are the functions that scripts call: t/count counts its messages t/moody fails
// while it is told to, and t/stuck never answers.
type functions struct{ broken atomic.Bool }

func (f *functions) app() *stateway.App {
	seen := stateway.Value[int64]("seen")
	who := stateway.Value[string]("who")
	kind := stateway.NewType("t/Blob", func(b []byte) ([]byte, error) { return b, nil }, func(b []byte) ([]byte, error) { return b, nil })
	blob := stateway.ValueOf("blob", kind)
	app := stateway.New(stateway.WithLogger(slog.New(slog.DiscardHandler)))
	app.Function("t/count", func(ctx *stateway.Context, _ stateway.Message) error {
		n, err := seen.Get(ctx)
		if err != nil {
			return err
		}
		seen.Set(ctx, n+1)
		who.Set(ctx, ctx.Self().ID)
		blob.Set(ctx, []byte{0, 1, 2, 255})
		return nil
	}, seen, who, blob)
	app.Function("t/moody", func(*stateway.Context, stateway.Message) error {
		if f.broken.Load() {
			return errors.New("not today")
		}
		return nil
	})
	app.Function("t/stuck", func(ctx *stateway.Context, _ stateway.Message) error {
		<-ctx.Done()
		return ctx.Err()
	})
	return app
}

type functionsKey struct{}

// setUpScript gives a script a function server ($FUNCTIONS, its base URL), three free ports ($ADMIN, $ADMIN2, $INGRESS) and an environment without
// variables that stand for flags.
func setUpScript(env *testscript.Env) error {
	f := &functions{}
	server := httptest.NewServer(f.app())
	env.Defer(server.Close)
	env.Values[functionsKey{}] = f
	env.Setenv("FUNCTIONS", server.URL)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("GORACE", "atexit_sleep_ms=10") // the race detector lets every program sleep a second when it ends
	docs, err := filepath.Abs("../../docs")
	if err != nil {
		return err
	}
	env.Setenv("DOCS", docs)
	for _, name := range []string{"ADMIN", "ADMIN2", "INGRESS"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close() // when all ports are drawn
		address := l.Addr().String()
		env.Setenv(name, address)
		env.Setenv(name+"_PORT", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, envPrefix) {
			env.Setenv(name, "")
		}
	}
	return nil
}

var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":      exits,
	"eventually": eventually,
	"fetch":      fetch,
	"post":       post,
	"signal":     sendSignal,
	"functions":  tellFunctions,
	"damage":     damage,
	"documented": documented,
}

// exits CODE PROGRAM ARGS… runs a program that must end with the code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		ts.Fatalf("%v", err)
	}
	got := 0
	if ended != nil {
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// eventually PATTERN PROGRAM ARGS… runs a program again and again until its output matches. PROGRAM is stateway or fetch.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN PROGRAM ARGS…")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	deadline := time.Now().Add(patience)
	for {
		out := output(ts, args[1], args[2:])
		if pattern.MatchString(out) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v never gave %q; the last output was %q", args[1:], args[0], out)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// output is what the program writes, or what a URL answers: "status body". Unlike exec it leaves nothing in the script's log.
func output(ts *testscript.TestScript, program string, args []string) string {
	if program == "fetch" {
		return get(args[0])
	}
	cmd := exec.Command(filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], program), args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "GORACE=" + ts.Getenv("GORACE")}
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		ts.Fatalf("%v", err)
	}
	return string(out)
}

func get(url string) string {
	resp, err := http.Get(url) //nolint:noctx // short
	if err != nil {
		return err.Error()
	}
	return answerOf(resp)
}

func answerOf(resp *http.Response) string {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return strconv.Itoa(resp.StatusCode) + " " + string(body)
}

// fetch URL prints status and body for stdout.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fetch URL")
	}
	_, err := io.WriteString(ts.Stdout(), get(args[0]))
	ts.Check(err)
}

// post URL BODY sends a body, which must be answered with 200.
func post(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args)%2 != 0 {
		ts.Fatalf("usage: post URL BODY [HEADER VALUE]…")
	}
	req, err := http.NewRequest(http.MethodPost, args[0], strings.NewReader(args[1])) //nolint:noctx // short
	ts.Check(err)
	for i := 2; i < len(args); i += 2 {
		req.Header.Set(args[i], args[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	if got := answerOf(resp); resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s", got)
	}
}

// signal NAME [N] sends a signal (TERM, STOP, CONT) to the background commands, or to the Nth (from 1) of those not waited for. KEEP-TERM
// is a TERM that is repeated until the command has ended.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "KEEP-TERM": syscall.SIGTERM, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT}
	if neg || len(args) < 1 || len(args) > 2 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal TERM|KEEP-TERM|STOP|CONT [N]")
	}
	commands := ts.BackgroundCmds()
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		if n < 1 || n > len(commands) {
			ts.Fatalf("there are %d background commands", len(commands))
		}
		commands = commands[n-1 : n]
	}
	for _, cmd := range commands {
		ts.Check(cmd.Process.Signal(signals[args[0]]))
		for deadline := time.Now().Add(patience); args[0] == "KEEP-TERM"; time.Sleep(20 * time.Millisecond) {
			if errors.Is(cmd.Process.Signal(syscall.SIGTERM), os.ErrProcessDone) {
				break
			}
			if time.Now().After(deadline) {
				ts.Fatalf("the command ignores SIGTERM")
			}
		}
	}
}

// functions break|mend tells what t/moody does from now on.
func tellFunctions(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "break" && args[0] != "mend" {
		ts.Fatalf("usage: functions break|mend")
	}
	ts.Value(functionsKey{}).(*functions).broken.Store(args[0] == "break")
}

// damage PATTERN flips a bit in the middle of the newest file that the pattern matches.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage PATTERN")
	}
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("no file matches %s", args[0])
	}
	path := files[len(files)-1]
	ts.Check(os.Chmod(path, 0o600))
	b, err := os.ReadFile(path)
	ts.Check(err)
	b[len(b)/2] ^= 4
	ts.Check(os.WriteFile(path, b, 0o600))
}

// documented URL FILE NAMES… compares the metrics that a node tells with the tables in a document: both name the same ones, but for
// NAMES, which the document has and this node does not tell.
func documented(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: documented URL FILE NAMES…")
	}
	names := func(pattern, text string) []string {
		var found []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	told := names(`(?m)^# TYPE (stateway_\w+) `, get(args[0]))
	written := names("(?m)^\\| `(stateway_\\w+)` \\|", ts.ReadFile(args[1]))
	for _, name := range written { // a name ending in * stands for all that begin so
		if slices.ContainsFunc(args[2:], func(a string) bool {
			prefix, all := strings.CutSuffix(a, "*")
			return a == name || all && strings.HasPrefix(name, prefix)
		}) {
			told = append(told, name)
		}
	}
	slices.Sort(told)
	told = slices.Compact(told)
	if diff := cmp.Diff(written, told); diff != "" {
		ts.Fatalf("metrics in %s (-) and of the node (+) differ: %s", args[1], diff)
	}
}
