package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/runtime/module"
)

// checked is what check --json prints.
type checked struct {
	OK       bool             `json:"ok"`
	Problems []module.Problem `json:"problems"` // errors and warnings
	// NoDriver tells, a sentence each, what this version can check and not run.
	NoDriver  []string `json:"noDriver"`
	Functions []string `json:"functions"` // types and namespaces that endpoints serve
	Ingresses []string `json:"ingresses"`
	Egresses  []string `json:"egresses"`
}

func newCheck() *cobra.Command {
	var strict, asJSON bool
	cmd := &cobra.Command{
		Use:   "check FILE…",
		Short: "Validate module files",
		Long: `Check reads module files as run does and prints every problem of all of them as file:line:column. Variables in ${…} must be
set. Nothing is started or connected to.

The exit code is 2 if there is an error, with --strict also if there is a warning.`,
		Example: `  stateway check module.yaml
  stateway check --strict --json base.yaml functions.yaml`,
		Args: arguments(1, -1, "one or more module files"),
		RunE: func(cmd *cobra.Command, files []string) error {
			c, err := check(strict, files)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), c)
			} else {
				c.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), len(files))
			}
			if err == nil && !c.OK {
				return said(exitUsage, errors.New("the module files have errors"))
			}
			return err
		},
	}
	strictFlag(cmd, &strict)
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func strictFlag(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "strict", false, "take warnings, such as of unknown keys, as errors")
}

func check(strict bool, files []string) (*checked, error) {
	app, warnings, err := module.Load(module.Options{Strict: strict}, files...)
	c := &checked{
		OK: err == nil, Problems: append([]module.Problem{}, warnings...), NoDriver: []string{},
		Functions: []string{}, Ingresses: []string{}, Egresses: []string{},
	}
	var found *module.Errors
	if errors.As(err, &found) {
		c.Problems = append(append([]module.Problem{}, found.Problems...), warnings...)
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	c.NoDriver = append(c.NoDriver, app.NoDriver()...)
	for _, p := range app.Functions() {
		c.Functions = append(c.Functions, p.String())
	}
	for _, id := range app.IngressIDs() {
		c.Ingresses = append(c.Ingresses, id.String())
	}
	for _, id := range app.EgressIDs() {
		c.Egresses = append(c.Egresses, id.String())
	}
	return c, nil
}

func (c *checked) print(stdout, stderr io.Writer, files int) {
	problems(stderr, c.Problems)
	if !c.OK {
		return
	}
	for _, s := range c.NoDriver {
		fmt.Fprintln(stderr, "note:", s)
	}
	fmt.Fprintf(stdout, "ok: %s: %s, %s, %s\n", count(files, "file"), count(len(c.Functions), "endpoint"),
		count(len(c.Ingresses), "ingress"), count(len(c.Egresses), "egress"))
}

// problems prints problems as compilers do, one a line.
func problems(w io.Writer, ps []module.Problem) {
	for _, p := range ps {
		fmt.Fprintln(w, p)
	}
}

// count is a number of things in words.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if what[len(what)-1] == 's' {
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
