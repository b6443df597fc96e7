package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the program: scripts run it as `stateway`, and so the race detector watches it, too.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"stateway": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Setup:               setUpScript,
		Cmds:                scriptCommands,
		RequireExplicitExec: true,
	})
}
