package main

import "github.com/spf13/cobra"

func newDev() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Things for development on one's own machine",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newDevLambda())
	return cmd
}
