package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/internal/version"
)

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and build date",
		Example: `  stateway version
  stateway version --json`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printJSON(cmd.OutOrStdout(), version.Get())
			}
			fmt.Fprintln(cmd.OutOrStdout(), version.Get())
			return nil
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}
