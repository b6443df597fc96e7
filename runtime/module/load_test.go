package module

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const small = `kind: io.statefun.endpoints.v2/http
spec: {functions: a/*, urlPathTemplate: "http://${MODULE_TEST_HOST:-h}"}
---
kind: io.statefun.playground.v1/ingress
spec: {port: 8090}
`

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadTakesPathsAndFileLocations(t *testing.T) {
	t.Setenv("MODULE_TEST_HOST", "from-env")
	path := write(t, "with blank.yaml", small)
	for _, location := range []string{path, "file:" + path, "file://" + path, "file://localhost" + strings.ReplaceAll(path, " ", "%20")} {
		app, warnings, err := Load(Options{}, location)
		if err != nil || len(warnings) != 0 || len(app.Endpoints) != 1 {
			t.Fatalf("Load(%q) = %+v, %v, %v", location, app, warnings, err)
		}
		if got := app.Endpoints[0].URL.String(); got != "http://from-env" {
			t.Errorf("%s: URL %s does not come from the environment", location, got)
		}
		if at := app.Endpoints[0].At; at != (Position{path, 2, 19}) {
			t.Errorf("endpoint at %v", at)
		}
	}
}

func TestLoadRefusesLocations(t *testing.T) {
	path := write(t, "m.yaml", small)
	dir := filepath.Dir(path)
	_, _, err := Load(Options{}, path, "file://"+path, "classpath:module.yaml", "file://host/m.yaml", "file:%zz", "", dir, filepath.Join(dir, "none.yaml"))
	var all *Errors
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"file://" + path + ": the file is named twice, first as " + path,
		`classpath:module.yaml: "classpath:module.yaml" is on a Java class path`,
		`names the host "host"`,
		`file:%zz: "file:%zz" is not a file location`,
		"the location is empty",
		dir + ": read: is a directory",
		"none.yaml: open: no such file or directory",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
	if len(all.Problems) != 7 {
		t.Errorf("%d problems:\n%v", len(all.Problems), err)
	}
}

func TestProblemsOfAllFilesAreSorted(t *testing.T) {
	_, _, err := Parse(Options{},
		Source{"b.yaml", []byte("kind: x/y\nspec: {}\n---\nkind: x/z\nspec: {}\n")},
		Source{"a.yaml", []byte("{")})
	var all *Errors
	if !errors.As(err, &all) || len(all.Problems) != 3 {
		t.Fatal(err)
	}
	for i, want := range []string{"a.yaml:1", "b.yaml:1", "b.yaml:4"} {
		if p := all.Problems[i]; fmt.Sprintf("%s:%d", p.File, p.Line) != want || p.Severity != SeverityError || p.Hint == "" {
			t.Errorf("problem %d is %+v, want one at %s", i, p, want)
		}
	}
}

// TestCostIsBounded gives files made to be expensive; each must be refused, and soon.
func TestCostIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"size":        {strings.Repeat("#", MaxFileBytes+1), "too large"},
		"keys":        {strings.Repeat("a: b\n", 20_000), "too many values"},
		"flow":        {strings.Repeat("[", 40_000), "nested too deeply"},
		"flow maps":   {strings.Repeat("{a: ", 10_000), "nested too deeply"},
		"dashes":      {strings.Repeat("- ", 20_000) + "a", "nested too deeply"},
		"questions":   {strings.Repeat("? ", 20_000) + "a", "nested too deeply"},
		"indentation": {staircase(300), "nested too deeply"},
		"flow keys":   {"{" + strings.Repeat("? {", 5000), "nested too deeply"},
		"one line":    {strings.Repeat("a: ", 20_000), "not YAML"},
		"anchors":     {strings.Repeat("&a ", 20_000) + "x", "not YAML"},
		"tags":        {strings.Repeat("!!str ", 30_000) + "x", "nested too deeply"},
		"aliased depth": {"a: &a " + strings.Repeat("[", 40) + strings.Repeat("]", 40) +
			"\nb: " + strings.Repeat("[", 40) + "*a" + strings.Repeat("]", 40), "nested too deeply"},
		"utf-8":     {"kind: a/b\nspec: {a: \xff}\n", "not valid UTF-8"},
		"utf-16":    {"k\x00i\x00n\x00d\x00\xff\xfe", "not valid UTF-8"},
		"documents": {strings.Repeat("---\na\n", 10_000), "must be a map"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, _, err := Parse(Options{}, Source{"f.yaml", []byte(c.text)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("no %q in %.300v", c.want, err)
			}
			t.Logf("took %v", time.Since(start))
		})
	}
}

func staircase(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestByteOrderMarkAndLineEndings(t *testing.T) {
	text := "\xef\xbb\xbf" + strings.ReplaceAll(small, "\n", "\r\n")
	app, _, err := Parse(Options{}, Source{"f.yaml", []byte(text)})
	if err != nil || len(app.Ingresses) != 1 || app.Ingresses[0].At.Line != 5 {
		t.Errorf("%+v, %v", app, err)
	}
}

func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		for _, p := range readArchive(f, file).parts {
			if strings.HasSuffix(p.name, ".yaml") {
				f.Add([]byte(p.text), false)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, embedded bool) {
		opts := Options{Embedded: embedded, Env: func(string) (string, bool) { return "1", true }}
		app, _, err := Parse(opts, Source{"f.yaml", data})
		if err != nil {
			var all *Errors
			if !errors.As(err, &all) || len(all.Problems) == 0 || err.Error() == "" {
				t.Errorf("error %v of type %T", err, err)
			}
			return
		}
		again, _, err := Parse(opts, Source{"f.yaml", data})
		if err != nil || app.Fingerprint() != again.Fingerprint() {
			t.Errorf("the same file gives another application: %v", err)
		}
		for _, in := range app.Ingresses {
			for _, target := range in.Spec.Targets() {
				if _, ok := app.EndpointFor(target); !ok {
					t.Errorf("target %v has no endpoint", target)
				}
			}
		}
	})
}
