package module

import (
	"encoding"
	"flag"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the want part of testdata/*.txtar")

// TestGolden loads the *.yaml parts of each archive together and compares what comes out with its want part: the
// application, or the problems. The comment and the parts env (NAME=value) and options say how to load.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	a := readArchive(t, file)
	opts, env := Options{}, map[string]string{}
	opts.Env = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	var sources []Source
	want := -1
	for i, f := range a.parts {
		switch text := f.text; {
		case strings.HasSuffix(f.name, ".yaml"):
			sources = append(sources, Source{Name: f.name, Data: []byte(f.text)})
		case f.name == "env":
			for line := range strings.Lines(text) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				env[name] = value
			}
		case f.name == "options":
			setOptions(t, &opts, text)
		case f.name == "want":
			want = i
		default:
			t.Fatalf("%s: unknown part %s", file, f.name)
		}
	}
	got := outcome(Parse(opts, sources...))
	if *update {
		if want < 0 {
			a.parts = append(a.parts, part{name: "want"})
			want = len(a.parts) - 1
		}
		a.parts[want].text = got
		a.write(t, file)
		return
	}
	if want < 0 {
		t.Fatalf("%s has no want part; run with -update and read it", file)
	}
	if w := a.parts[want].text; got != w {
		t.Errorf("%s\n--- got\n%s--- want\n%s", file, got, w)
	}
}

func setOptions(t *testing.T, opts *Options, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		switch words := strings.Fields(line); words[0] {
		case "strict":
			opts.Strict = true
		case "embedded":
			opts.Embedded = true
		case "functions":
			opts.Functions = words[1:]
		default:
			t.Fatalf("unknown option %q", words[0])
		}
	}
}

// outcome is what Parse returned, as text.
func outcome(app *Application, warnings []Problem, err error) string {
	var b strings.Builder
	for _, w := range warnings {
		fmt.Fprintln(&b, w)
	}
	if err != nil {
		fmt.Fprintln(&b, err)
		return b.String()
	}
	dump(&b, reflect.ValueOf(*app), "")
	return b.String()
}

// dump prints what is not zero, a field per line.
func dump(b *strings.Builder, v reflect.Value, indent string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		fmt.Fprintf(b, "%s%s\n", indent, v.Elem().Type())
		dump(b, v.Elem(), indent)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && f.Type != reflect.TypeFor[Position]() && !v.Field(i).IsZero() {
				dumpField(b, f.Name, v.Field(i), indent)
			}
		}
	default:
		fmt.Fprintf(b, "%s%v\n", indent, v)
	}
}

func dumpField(b *strings.Builder, name string, v reflect.Value, indent string) {
	_, isText := v.Interface().(encoding.TextMarshaler)
	_, isString := v.Interface().(fmt.Stringer)
	switch {
	case isText || isString || v.Type() == reflect.TypeFor[time.Time]():
		fmt.Fprintf(b, "%s%s: %v\n", indent, name, v)
	case v.Kind() == reflect.String:
		fmt.Fprintf(b, "%s%s: %q\n", indent, name, v)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem() != reflect.TypeFor[TypeName]():
		for i := range v.Len() {
			fmt.Fprintf(b, "%s%s %d\n", indent, name, i)
			dump(b, v.Index(i), indent+"  ")
		}
	case v.Kind() == reflect.Struct:
		fmt.Fprintf(b, "%s%s\n", indent, name)
		dump(b, v, indent+"  ")
	case v.Kind() == reflect.Interface:
		fmt.Fprintf(b, "%s%s\n", indent, name)
		dump(b, v.Elem(), indent+"  ")
	default:
		fmt.Fprintf(b, "%s%s: %v\n", indent, name, v)
	}
}
