// Command stateway is the runtime and its operator's commands: run, check, state, address, checkpoint, version.
//
// It wires everything by hand and decides nothing. Each command lies in a file of its own, its help text beside its flags. Always true:
// a problem ends with a sentence on stderr and an exit code that docs/operations.md lists; what a command prints for people may
// change, what it prints with --json only grows.
package main

import (
	"context"
	"io"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ran := false
	root := newRoot(&ran)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !ran {
		err = usageError(err)
	}
	return report(stderr, err)
}
