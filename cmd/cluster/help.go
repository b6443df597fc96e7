package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// correct makes the commands that cobra brings along, help and completion, tell of what they do not know, as ours do.
func correct(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args, cmd.RunE = cobra.ArbitraryArgs, help
			cmd.Example = `  stateway help run
  stateway help checkpoint verify`
		case "completion":
			cmd.Args, cmd.RunE = cobra.ArbitraryArgs, group
			for _, shell := range cmd.Commands() {
				shell.Example = "  stateway completion " + shell.Name()
			}
		}
	}
}

// help tells of the command that the arguments name.
func help(cmd *cobra.Command, args []string) error {
	about, rest, err := cmd.Root().Find(args)
	switch {
	case err != nil:
		return usageError(err)
	case len(rest) > 0 && about.HasSubCommands():
		return group(about, rest)
	case len(rest) > 0:
		return usageError(fmt.Errorf("%s holds no command %q; see %s --help", about.CommandPath(), rest[0], about.CommandPath()))
	}
	about.InitDefaultHelpFlag()
	about.InitDefaultVersionFlag()
	return about.Help()
}
