package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/runtime/admin"
)

func newIngress() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ingress",
		Short: "Look at how records are read",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newIngressList())
	return cmd
}

func newIngressList() *cobra.Command {
	var node running
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the partitions of all ingresses, how far behind they are and why some wait",
		Long: `List asks a running node for each partition of its ingresses:

  reading  it is read
  failing  the last try to read it failed; it is tried again soon
  held     it waits for an operator: a record that cannot be read, or lost history
  waiting  its parents are not read to their ends yet
  ended    there is nothing more to read

BEHIND is how far it was behind its newest record when it was last read, POSITION what the last checkpoint holds, and the counts begin with
the process. A dash means that the kind of ingress does not tell.`,
		Example: `  stateway ingress list
  stateway ingress list --json | jq '[.ingresses[].partitions[].behindMillis // 0] | max'`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := node.client()
			if err != nil {
				return err
			}
			list, err := c.Ingresses(cmd.Context())
			if err != nil {
				return err
			}
			if node.json {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printIngresses(cmd.OutOrStdout(), list)
		},
	}
	node.flags(cmd.Flags())
	return cmd
}

// printIngresses prints a table of partitions and below it, in sentences, what is wrong.
func printIngresses(w io.Writer, list admin.Ingresses) error {
	rows := [][]string{{"INGRESS", "PARTITION", "STATE", "BEHIND", "RECORDS", "BYTES", "THROTTLES", "POSITION"}}
	for _, in := range list.Ingresses {
		for _, p := range in.Partitions {
			rows = append(rows, partitionRow(in.ID, p))
		}
	}
	if len(rows) == 1 {
		fmt.Fprintln(w, "no partition is known")
	} else if err := table(w, rows); err != nil {
		return err
	}
	for _, in := range list.Ingresses {
		if in.Problem != "" {
			fmt.Fprintf(w, "%s cannot list its partitions: %s\n", in.ID, shown(in.Problem))
		}
		for _, p := range in.Partitions {
			if p.Reason != "" {
				fmt.Fprintf(w, "%s %s is %s: %s\n", in.ID, shown(p.ID), p.State, shown(p.Reason))
			}
		}
	}
	return nil
}

func partitionRow(ingress string, p admin.Partition) []string {
	behind, position := "-", "-"
	if p.BehindMillis != nil && p.State != "ended" {
		behind = (time.Duration(*p.BehindMillis) * time.Millisecond).String()
	}
	if p.Position != "" {
		position = shown(p.Position)
	}
	row := []string{ingress, shown(p.ID), p.State, behind, "-", "-", "-", position}
	if c := p.Counts; c != nil {
		row[4], row[5], row[6] = strconv.FormatUint(c.Records, 10), strconv.FormatUint(c.Bytes, 10), strconv.FormatUint(c.Throttles, 10)
	}
	return row
}
