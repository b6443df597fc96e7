package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stateway/stateway/internal/version"
)

const rootHelp = `Stateway keeps the state of serverless functions, carries their messages, and makes both exactly-once.

Every flag can also be given as an environment variable: --checkpoint-every as STATEWAY_CHECKPOINT_EVERY. A flag wins over its
variable; an empty variable counts as not set.

Exit codes: 0 fine; 1 failure; 2 wrong flags, environment or module files; 3 another process leads the application now;
4 another process uses the data directory.`

// newRoot makes the command line. Ran is set once flags, arguments and environment were found to be in order.
func newRoot(ran *bool) *cobra.Command {
	root := &cobra.Command{
		Use:           "stateway",
		Short:         "The stateful half of serverless applications",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          group,
		Args:          cobra.ArbitraryArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			*ran = true
			return nil
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.Version = version.Get().String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(newRun(), newCheck(), newState(), newAddress(), newDeadLetter(), newIngress(), newCheckpoint(), newDev(), newVersion())
	correct(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var invalid *pflag.InvalidValueError
		if errors.As(err, &invalid) {
			err = fmt.Errorf("--%s %q: %w", invalid.GetFlag().Name, invalid.GetValue(), reason(err))
		}
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	return root
}

// group is what a command does that only holds others: it helps, or says that there is no such command.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	text := fmt.Sprintf("unknown command %q for %s", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 1
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError(fmt.Errorf("%s; see %s --help", text, cmd.CommandPath()))
}

// arguments checks the number of a command's arguments; negative most means any number. What names them for people.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		return fmt.Errorf("%s takes %s, not %s; see %s --help", cmd.CommandPath(), what, count(len(args), "argument"), cmd.CommandPath())
	}
}
