package module

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// MaxFileBytes is the size beyond which a module file is refused.
const MaxFileBytes = 1 << 20

// Options says how module files are read. The zero value is the usual case.
type Options struct {
	// Strict turns every warning (an unknown key, a value without effect) into an error.
	Strict bool
	// Env looks up a variable named in ${…}; its second result says whether it is set. Nil means os.LookupEnv.
	Env func(name string) (string, bool)
	// Embedded is for a program that runs the node in its own process and registers functions and routers there:
	// endpoints, ingresses, targets and the files themselves may be missing.
	Embedded bool
	// Functions are the function types (namespace/name, namespace/*) that the embedding program serves. Each
	// becomes an Endpoint of KindEmbedded, and may not be served by a file as well.
	Functions []string
}

// Source is a module file that is in memory already.
type Source struct {
	Name string // stands for the file's name in problems
	Data []byte
}

// Load reads the files and makes one application of them. A file is given as a path, file:path or file:///path.
// The warnings are returned whether or not there is an error; the error, if any, is an *Errors with all errors of
// all files.
func Load(opts Options, files ...string) (*Application, []Problem, error) {
	l := newLoader(opts)
	seen := map[string]string{}
	for _, file := range files {
		path, err := localPath(file)
		if err != nil {
			l.incomplete = true
			l.errorf(Position{File: file}, "give a path or file:///path", "%v", err)
			continue
		}
		if first, twice := seen[filepath.Clean(path)]; twice {
			l.errorf(Position{File: file}, "name each file once", "the file is named twice, first as %s", first)
			continue
		}
		seen[filepath.Clean(path)] = file
		data, err := readFile(path)
		if err != nil {
			l.incomplete = true
			l.errorf(Position{File: path}, "give the path of a file that can be read", "%v", err)
			continue
		}
		l.load(Source{Name: path, Data: data})
	}
	return l.finish(len(files))
}

// Parse is Load for files that are in memory.
func Parse(opts Options, sources ...Source) (*Application, []Problem, error) {
	l := newLoader(opts)
	for _, src := range sources {
		l.load(src)
	}
	return l.finish(len(sources))
}

// readFile reads no more than is taken, so that a device or an endless pipe does no harm.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open: %w", reason(err))
	}
	defer f.Close() //nolint:errcheck // opened for reading
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read: %w", reason(err))
	}
	return data, nil
}

// reason takes the path out of an error: the problem names it already.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// localPath turns a location into a path: plain, file:path, file:/path or file:///path.
func localPath(location string) (string, error) {
	if strings.HasPrefix(location, "classpath:") {
		return "", fmt.Errorf("%q is on a Java class path, and there is none here", location)
	}
	rest, isURL := strings.CutPrefix(location, "file:")
	if !isURL {
		if location == "" {
			return "", errors.New("the location is empty")
		}
		return location, nil
	}
	if after, authority := strings.CutPrefix(rest, "//"); authority {
		host, _, _ := strings.Cut(after, "/")
		if host != "" && host != "localhost" {
			return "", fmt.Errorf("%q names the host %q; a local path follows three slashes", location, host)
		}
		rest = after[len(host):]
	}
	path, err := url.PathUnescape(rest)
	if err != nil || path == "" {
		return "", fmt.Errorf("%q is not a file location", location)
	}
	return path, nil
}

// loader collects what the files say, and every problem on the way.
type loader struct {
	opts     Options
	env      func(string) (string, bool)
	app      Application
	problems []Problem
	targets  []reference // of all ingresses
	letters  []reference // dead-letter egresses

	streamLetters []streamLetter // of Kinesis ingresses

	ingresses  int  // documents that declare an ingress, broken ones too
	endpoints  int  // documents that declare an endpoint, broken ones too
	incomplete bool // some endpoint or egress may be missing because its document could not be read
}

// reference is a name that something else must declare.
type reference struct {
	name TypeName
	at   Position
}

func newLoader(opts Options) *loader {
	l := &loader{opts: opts, env: opts.Env}
	if l.env == nil {
		l.env = os.LookupEnv
	}
	for _, f := range opts.Functions {
		p, err := ParsePattern(f)
		if err != nil {
			l.errorf(Position{}, "register it as namespace/name or namespace/*", "embedded function: %v", err)
			continue
		}
		l.app.Endpoints = append(l.app.Endpoints, embeddedEndpoint(p))
	}
	return l
}

// load reads one file's documents.
func (l *loader) load(src Source) {
	docs, ok := l.parse(src)
	if !ok {
		l.incomplete = true
	}
	if len(docs) == 1 && docs[0].kind == mapNode && docs[0].get("version") != nil {
		l.legacy(docs[0])
		return
	}
	for _, doc := range docs {
		l.document(doc)
	}
}

// finish checks what spans files, and hands over.
func (l *loader) finish(files int) (*Application, []Problem, error) {
	if files == 0 && !l.opts.Embedded {
		l.incomplete = true
		l.errorf(Position{}, "name at least one module.yaml", "no module file is given")
	}
	l.check()
	var errs, warnings []Problem
	for _, p := range sortProblems(l.problems) {
		if p.Severity == SeverityError {
			errs = append(errs, p)
		} else {
			warnings = append(warnings, p)
		}
	}
	if len(errs) > 0 {
		return nil, warnings, &Errors{Problems: errs}
	}
	l.app.index()
	return &l.app, warnings, nil
}

func (l *loader) errorf(at Position, hint, format string, args ...any) {
	l.report(SeverityError, at, hint, fmt.Sprintf(format, args...))
}

func (l *loader) warnf(at Position, hint, format string, args ...any) {
	severity := SeverityWarning
	if l.opts.Strict {
		severity = SeverityError
	}
	l.report(severity, at, hint, fmt.Sprintf(format, args...))
}

func (l *loader) report(severity Severity, at Position, hint, message string) {
	l.problems = append(l.problems, Problem{
		File: at.File, Line: at.Line, Column: at.Column,
		Severity: severity, Message: message, Hint: hint,
	})
}
