package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/s3bucket"
	"github.com/stateway/stateway/runtime/node"
	"github.com/stateway/stateway/runtime/shard"
)

// Exit codes. docs/operations.md tells what to do on each.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2 // flags, environment or module files are wrong: starting again will not help
	exitDeposed = 3 // another process leads the application now
	exitLocked  = 4 // another process uses the data directory
)

// codedError is an error with its exit code. Said means that its text was printed already.
type codedError struct {
	code int
	said bool
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// usageError is the caller's mistake.
func usageError(err error) error {
	var coded *codedError
	if errors.As(err, &coded) {
		return err
	}
	return &codedError{code: exitUsage, err: err}
}

// said ends the program with a code and without a further word.
func said(code int, err error) error { return &codedError{code: code, said: true, err: err} }

// exitCode is the code of an error that a command returned.
func exitCode(err error) int {
	var coded *codedError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, node.ErrDeposed):
		return exitDeposed
	case errors.Is(err, shard.ErrLocked):
		return exitLocked
	case errors.As(err, new(*s3bucket.SetupError)):
		return exitUsage
	case errors.Is(err, node.ErrDropped), errors.Is(err, checkpoint.ErrApplication):
		return exitUsage
	}
	return exitFailure
}

// report prints an error unless that was done, and returns the exit code.
func report(stderr io.Writer, err error) int {
	var coded *codedError
	if err != nil && (!errors.As(err, &coded) || !coded.said) {
		fmt.Fprintf(stderr, "stateway: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nstateway: "))
	}
	return exitCode(err)
}
