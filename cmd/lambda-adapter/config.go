package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// config is what the environment says.
type config struct {
	runtimeAPI string // host:port
	// command starts the function server; a shell runs it. Empty means that something else does.
	command string
	// url is where the server takes requests.
	url string
	// socket is the Unix socket that the server listens at, empty for the url's host and port.
	socket string
	// readyPath is asked until the answer's status is below 500; empty means that a connection is enough.
	readyPath    string
	readyTimeout time.Duration
	parallel     int           // items of a group that are asked for at a time
	margin       time.Duration // how long before its end an invocation is answered
	sigterm      bool          // register as an extension, without which Lambda sends no SIGTERM
}

// readConfig reads and checks the settings. It reports everything that is wrong at once.
func readConfig(getenv func(string) string) (config, error) {
	e := &env{get: getenv}
	cfg := config{
		runtimeAPI:   getenv("AWS_LAMBDA_RUNTIME_API"),
		command:      getenv("STATEWAY_COMMAND"),
		readyPath:    getenv("STATEWAY_READY_PATH"),
		readyTimeout: e.duration("STATEWAY_READY_TIMEOUT", 9*time.Second),
		parallel:     e.positive("STATEWAY_PARALLEL", 16),
		margin:       e.duration("STATEWAY_MARGIN", 500*time.Millisecond),
		sigterm:      e.boolean("STATEWAY_SIGTERM"),
	}
	if cfg.command == "" && getenv("AWS_LAMBDA_EXEC_WRAPPER") == "" {
		cfg.command = getenv("_HANDLER") // of a custom runtime, the handler is free to mean anything
	}
	if cfg.runtimeAPI == "" {
		e.wrong("AWS_LAMBDA_RUNTIME_API is not set: this program runs in AWS Lambda, or under `stateway dev lambda`")
	}
	if cfg.readyPath != "" && !strings.HasPrefix(cfg.readyPath, "/") {
		e.wrong("STATEWAY_READY_PATH %q does not begin with a slash", cfg.readyPath)
	}
	e.address(&cfg)
	return cfg, errors.Join(e.errs...)
}

// address reads where the server listens: http://host:port/path, or unix:/path/of/socket.
func (e *env) address(cfg *config) {
	value := e.get("STATEWAY_URL")
	if value == "" {
		value = "http://127.0.0.1:8000"
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		e.wrong("STATEWAY_URL: %v", err)
	case u.Scheme == "unix" && u.Path != "" && u.Host == "":
		cfg.socket, cfg.url = u.Path, "http://localhost/"
	case u.Scheme == "http" && u.Host != "":
		cfg.url = value
	default:
		e.wrong("STATEWAY_URL %q is neither http://host:port/path nor unix:/path/of/socket", value)
	}
}

// env reads variables and collects what is wrong with them.
type env struct {
	get  func(string) string
	errs []error
}

func (e *env) wrong(format string, args ...any) { e.errs = append(e.errs, fmt.Errorf(format, args...)) }

func (e *env) duration(name string, otherwise time.Duration) time.Duration {
	value := e.get(name)
	if value == "" {
		return otherwise
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		e.wrong("%s %q is no duration above zero, such as 500ms", name, value)
	}
	return d
}

func (e *env) positive(name string, otherwise int) int {
	value := e.get(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil || n <= 0 {
		e.wrong("%s %q is no whole number above zero", name, value)
	}
	return n
}

func (e *env) boolean(name string) bool {
	value := e.get(name)
	if value == "" {
		return false
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		e.wrong("%s %q is neither true nor false", name, value)
	}
	return b
}
