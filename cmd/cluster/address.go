package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/runtime/admin"
	"github.com/stateway/stateway/runtime/core"
)

func newAddress() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "address",
		Short: "Look at failing Addresses, and move them on",
		Long: `An Address whose function keeps failing is held once the budget of its tries is spent (unless the endpoint has onFailure: deadLetter): its messages wait,
all other Addresses go on. These commands ask a running node.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newAddressList(), newAddressShow(), newAddressResume(), newAddressDrop())
	return cmd
}

func newAddressList() *cobra.Command {
	var node running
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the Addresses that fail or are held",
		Example: `  stateway address list
  stateway address list --json | jq -r '.addresses[] | select(.status == "held") | .address'`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := node.client()
			if err != nil {
				return err
			}
			if limit < 1 {
				return usageError(fmt.Errorf("--limit %d: want at least 1", limit))
			}
			list, err := c.Addresses(cmd.Context(), limit)
			if err != nil {
				return err
			}
			if node.json {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printAddresses(cmd.OutOrStdout(), list)
		},
	}
	node.flags(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 100, "print at most `N` Addresses, up to 10000")
	return cmd
}

func printAddresses(w io.Writer, list admin.Addresses) error {
	if len(list.Addresses) == 0 {
		fmt.Fprintln(w, "no Address fails")
		return nil
	}
	rows := [][]string{{"ADDRESS", "STATUS", "WAITING", "TRIES", "NEXT TRY", "LAST REASON"}}
	for _, a := range list.Addresses {
		last := ""
		if n := len(a.Reasons); n > 0 {
			last = a.Reasons[n-1]
		}
		rows = append(rows, []string{
			shown(a.Address), a.Status, waiting(a), strconv.Itoa(a.Attempts), shownTime(a.NextTry), shorter(shown(last), 80),
		})
	}
	if err := table(w, rows); err != nil || !list.More {
		return err
	}
	fmt.Fprintln(w, "and more: see --limit")
	return nil
}

// waiting is how many messages wait. With a plus there are at least so many: of those on disk only one is sure.
func waiting(a admin.Address) string {
	if a.MoreWait {
		return strconv.Itoa(a.Waiting+1) + "+"
	}
	return strconv.Itoa(a.Waiting)
}

func newAddressShow() *cobra.Command {
	var node running
	cmd := &cobra.Command{
		Use:   "show TYPE/ID",
		Short: "Show one Address: what waits, and why it fails",
		Example: `  stateway address show shop/cart/Kim
  stateway address show shop/cart/Kim --json`,
		Args: arguments(1, 1, "one address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, addr, err := node.client(args[0])
			if err != nil {
				return err
			}
			a, err := c.Address(cmd.Context(), addr[0])
			if err != nil {
				return err
			}
			if node.json {
				return printJSON(cmd.OutOrStdout(), a)
			}
			printAddress(cmd.OutOrStdout(), a)
			return nil
		},
	}
	node.flags(cmd.Flags())
	return cmd
}

func printAddress(w io.Writer, a admin.Address) {
	fmt.Fprintf(w, "address:        %s\nstatus:         %s\nwaiting:        %s\n", shown(a.Address), a.Status, waiting(a))
	if len(a.States) > 0 {
		names := make([]string, len(a.States))
		for i, name := range a.States {
			names[i] = shown(name)
		}
		fmt.Fprintf(w, "states:         %s\n", strings.Join(names, ", "))
	}
	if a.Attempts == 0 {
		return
	}
	fmt.Fprintf(w, "tries:          %d\nfirst failure:  %s\nlast failure:   %s\nnext try:       %s\n",
		a.Attempts, shownTime(a.FirstFailure), shownTime(a.LastFailure), shownTime(a.NextTry))
	for _, r := range a.Reasons {
		fmt.Fprintf(w, "  %s\n", shown(r))
	}
}

func newAddressResume() *cobra.Command {
	cmd := newAddressChange("resumed", (*admin.Client).Resume)
	cmd.Use = "resume TYPE/ID…"
	cmd.Short = "Try the first message of a held or failing Address again"
	cmd.Long = "Resume gives the message all its tries again and makes the first at once: the thing to do when the function was mended."
	cmd.Example = `  stateway address resume shop/cart/Kim
  stateway address resume shop/cart/Kim shop/cart/Lee`
	return cmd
}

func newAddressDrop() *cobra.Command {
	cmd := newAddressChange("dropped the first message of", (*admin.Client).Drop)
	cmd.Use = "drop TYPE/ID…"
	cmd.Short = "Drop the first message of a held or failing Address"
	cmd.Long = "Drop deletes the message for good, whatever it was meant to do; the Address goes on with the next. Its state stays as it is."
	cmd.Example = `  stateway address show shop/cart/Kim
  stateway address drop shop/cart/Kim`
	return cmd
}

// changed is what resume and drop print with --json.
type changed struct {
	Address string `json:"address"`
	Error   string `json:"error,omitempty"` // why it was not done
}

// newAddressChange makes a command that does something with each Address it is given, whatever becomes of the others.
func newAddressChange(done string, do func(*admin.Client, context.Context, core.Address) error) *cobra.Command {
	var node running
	cmd := &cobra.Command{
		Args: arguments(1, -1, "one or more addresses"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, addresses, err := node.client(args...)
			if err != nil {
				return err
			}
			all := make([]changed, len(addresses))
			failed := error(nil)
			for i, a := range addresses {
				all[i].Address = a.String()
				if err := do(c, cmd.Context(), a); err != nil {
					all[i].Error, failed = err.Error(), said(exitFailure, err)
				}
			}
			if node.json {
				if err := printJSON(cmd.OutOrStdout(), all); err != nil {
					return err
				}
				return failed
			}
			for _, r := range all {
				if r.Error != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "stateway: %s\n", shown(r.Error))
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", done, shown(r.Address))
			}
			return failed
		},
	}
	node.flags(cmd.Flags())
	return cmd
}
