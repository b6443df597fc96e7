package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/runtime/admin"
)

func newState() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look at the state of an Address",
		Long: `State reads from a running node what an Address has kept, as of the last checkpoint that its shard holds on disk: what functions
did in the last second or so is not in it yet, and a value whose time to live is over may be seen until the sweep deletes it.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newStateGet(), newStateList())
	return cmd
}

func newStateGet() *cobra.Command {
	var node running
	cmd := &cobra.Command{
		Use:   "get TYPE/ID [NAME]",
		Short: "Print the values of an Address, or one of them",
		Long: `Get prints name, type, size in bytes and value of each state. Values of the SDKs' built-in types and JSON are printed as such, all others
in base64. With a NAME only the value is printed; the exit code is 1 if there is none.`,
		Example: `  stateway state get shop/cart/Kim
  stateway state get shop/cart/Kim total
  stateway state get shop/cart/Kim --json | jq '.states[].value'`,
		Args: arguments(1, 2, "an address and perhaps the name of a state"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, addr, err := node.client(args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				s, err := c.States(cmd.Context(), addr[0])
				return printStates(cmd, node.json, s, err)
			}
			s, err := c.State(cmd.Context(), addr[0], args[1])
			if err != nil || node.json {
				return printStates(cmd, node.json, s, err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), wholeValue(s.States[0]))
			return nil
		},
	}
	node.flags(cmd.Flags())
	return cmd
}

func newStateList() *cobra.Command {
	var node running
	cmd := &cobra.Command{
		Use:   "list TYPE/ID",
		Short: "Print the names, types and sizes of an Address's states",
		Example: `  stateway state list shop/cart/Kim
  stateway state list shop/cart/Kim --json`,
		Args: arguments(1, 1, "one address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, addr, err := node.client(args[0])
			if err != nil {
				return err
			}
			s, err := c.StateNames(cmd.Context(), addr[0])
			return printStates(cmd, node.json, s, err)
		},
	}
	node.flags(cmd.Flags())
	return cmd
}

func printStates(cmd *cobra.Command, asJSON bool, s admin.State, err error) error {
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), s)
	}
	return printStateTable(cmd.OutOrStdout(), s)
}

func printStateTable(w io.Writer, s admin.State) error {
	if len(s.States) == 0 && s.Checkpoint == 0 {
		fmt.Fprintf(w, "%s has no state: its shard holds no checkpoint with rows yet\n", shown(s.Address))
		return nil
	}
	if len(s.States) == 0 {
		fmt.Fprintf(w, "%s has no state in checkpoint %d\n", shown(s.Address), s.Checkpoint)
		return nil
	}
	rows := [][]string{{"NAME", "TYPE", "SIZE", "VALUE"}}
	for _, v := range s.States {
		rows = append(rows, []string{shown(v.Name), shown(v.Type), strconv.Itoa(v.Size), shorter(shownValue(v), 120)})
	}
	return table(w, rows)
}

// shownValue is a value for a column: on one line, and safe for a terminal.
func shownValue(v admin.StateValue) string {
	if v.Value == nil && v.Base64 == nil {
		return "-"
	}
	return shown(wholeValue(v))
}

// wholeValue is a value as text: strings without quotes, other readable values as JSON, the rest in base64.
func wholeValue(v admin.StateValue) string {
	var text string
	switch {
	case v.Value == nil:
		return base64.StdEncoding.EncodeToString(v.Base64)
	case json.Unmarshal(v.Value, &text) == nil:
		return text
	}
	return string(v.Value)
}
