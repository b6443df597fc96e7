package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stateway/stateway/runtime/admin"
)

func newDeadLetter() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletter",
		Short: "Look at messages that were given up, and put them back",
		Long: `Where an endpoint has onFailure: deadLetter, a message whose tries are used up goes to an egress, and the node keeps it for a while (deadLetter.retain,
7 days unless told otherwise) so that it can be put back. These commands ask a running node, and see what its last checkpoint on disk holds: what
happened in the last second or so is not in it yet.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newDeadLetterList(), newDeadLetterShow(), newDeadLetterRedrive())
	return cmd
}

// chosen are the flags that choose dead letters.
type chosen struct {
	admin.DeadLetterFilter
	since, until string
	limit        int
}

func (c *chosen) flags(f *pflag.FlagSet, limit int, what string) {
	f.StringVar(&c.Type, "type", "", "only of this function `type`; namespace/* for all of a namespace")
	f.StringVar(&c.Address, "address", "", "only of this Address: `type/id`")
	f.StringVar(&c.Error, "error", "", "only with this `text` in one of the reasons")
	f.StringVar(&c.since, "since", "", "only if the last failure was at this `time` or later: 2026-11-21T12:00:00Z, or 2h ago")
	f.StringVar(&c.until, "until", "", "only if the last failure was before this `time`")
	f.IntVar(&c.limit, "limit", limit, what)
}

// check reads what the flags say.
func (c *chosen) check(now time.Time) (err error) {
	if c.limit < 1 {
		return usageError(fmt.Errorf("--limit %d: want at least 1", c.limit))
	}
	if c.Address != "" {
		if _, err := admin.ParseAddress(c.Address); err != nil {
			return usageError(fmt.Errorf("--address: %w", err))
		}
	}
	if strings.Count(c.Type, "/") != 1 && c.Type != "" {
		return usageError(fmt.Errorf("--type %q: want namespace/name, or namespace/*", c.Type))
	}
	if c.Since, err = timeBefore(now, "since", c.since); err != nil {
		return err
	}
	c.Until, err = timeBefore(now, "until", c.until)
	return err
}

// timeBefore reads a time, or how long ago it was; zero if there is none.
func timeBefore(now time.Time, flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	ago, err := time.ParseDuration(strings.TrimSuffix(text, " ago"))
	if err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usageError(fmt.Errorf("--%s %q: want a time such as 2026-11-21T12:00:00Z, or a duration such as 2h", flag, text))
	}
	return t, nil
}

// deadLettersAsked is how many are asked for in one request.
const deadLettersAsked = 500

// all reads the chosen dead letters, at most limit of them, and whether there may be more.
func (c *chosen) all(cmd *cobra.Command, from *admin.Client) (found []admin.DeadLetter, more bool, err error) {
	for after := ""; ; {
		list, err := from.DeadLetters(cmd.Context(), c.DeadLetterFilter, after, min(c.limit-len(found), deadLettersAsked))
		if err != nil {
			return nil, false, err
		}
		found = append(found, list.DeadLetters...)
		if after = list.Next; after == "" || len(found) >= c.limit {
			return found, after != "", nil
		}
	}
}

func newDeadLetterList() *cobra.Command {
	var node running
	var which chosen
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the dead letters that are kept",
		Long:  `List prints those first that end to be kept first: of one shard after the other.`,
		Example: `  stateway deadletter list --type shop/cart --since 2h
  stateway deadletter list --error "no such item" --json | jq -r '.deadLetters[].address'`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := node.client()
			if err != nil {
				return err
			}
			if err := which.check(time.Now()); err != nil {
				return err
			}
			found, more, err := which.all(cmd, c)
			if err != nil {
				return err
			}
			if node.json {
				return printJSON(cmd.OutOrStdout(), lettersFound(found, more))
			}
			return printDeadLetters(cmd.OutOrStdout(), found, more)
		},
	}
	node.flags(cmd.Flags())
	which.flags(cmd.Flags(), 100, "print at most `N` dead letters")
	return cmd
}

// foundLetters is what list prints with --json.
type foundLetters struct {
	DeadLetters []admin.DeadLetter `json:"deadLetters"`
	More        bool               `json:"more,omitempty"` // the limit cut the list
}

func lettersFound(found []admin.DeadLetter, more bool) foundLetters {
	if found == nil {
		found = []admin.DeadLetter{}
	}
	return foundLetters{DeadLetters: found, More: more}
}

func printDeadLetters(w io.Writer, found []admin.DeadLetter, more bool) error {
	if len(found) == 0 {
		fmt.Fprintln(w, "no dead letter is kept that fits")
		return nil
	}
	rows := [][]string{{"ID", "ADDRESS", "TYPE", "LAST FAILURE", "TRIES", "TRACE", "LAST REASON"}}
	for _, d := range found {
		last := ""
		if n := len(d.Reasons); n > 0 {
			last = d.Reasons[n-1]
		}
		rows = append(rows, []string{
			d.ID, orDash(d.Address), orDash(d.Type), shownTime(d.LastFailure), strconv.Itoa(d.Attempts), orDash(traceID(d.Traceparent)), shorter(shown(last), 80),
		})
	}
	if !slices.ContainsFunc(found, func(d admin.DeadLetter) bool { return d.Traceparent != "" }) {
		for i := range rows {
			rows[i] = slices.Delete(rows[i], 5, 6) // nobody traces
		}
	}
	if err := table(w, rows); err != nil || !more {
		return err
	}
	fmt.Fprintln(w, "and perhaps more: see --limit")
	return nil
}

// traceID is the trace id of a traceparent, by which tools for traces look; empty if there is none.
func traceID(traceparent string) string {
	_, rest, _ := strings.Cut(traceparent, "-")
	id, _, _ := strings.Cut(rest, "-")
	return id
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return shown(s)
}

func newDeadLetterShow() *cobra.Command {
	var node running
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one dead letter with its message",
		Example: `  stateway deadletter show 3-1763738000000-42
  stateway deadletter show 3-1763738000000-42 --json | jq -r .argument | base64 -d`,
		Args: arguments(1, 1, "one id of a dead letter, as the list shows it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, err := node.client()
			if err != nil {
				return err
			}
			d, err := c.DeadLetter(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if node.json {
				return printJSON(cmd.OutOrStdout(), d)
			}
			printDeadLetter(cmd.OutOrStdout(), &d)
			return nil
		},
	}
	node.flags(cmd.Flags())
	return cmd
}

func printDeadLetter(w io.Writer, d *admin.DeadLetter) {
	fmt.Fprintf(w, "id:             %s\naddress:        %s\ncaller:         %s\ntype:           %s\ntrace:          %s\n",
		d.ID, orDash(d.Address), orDash(d.Caller), orDash(d.Type), orDash(d.Traceparent))
	if d.Problem != "" {
		fmt.Fprintf(w, "problem:        it cannot be put back: %s\n", shown(d.Problem))
	} else {
		value := admin.StateValue{Value: d.Value, Base64: d.Base64}
		fmt.Fprintf(w, "size:           %d\nvalue:          %s\nargument:       %s\n", d.Size, shownValue(value), base64.StdEncoding.EncodeToString(d.Argument))
	}
	fmt.Fprintf(w, "tries:          %d\nfirst failure:  %s\nlast failure:   %s\nkept until:     %s\n",
		d.Attempts, shownTime(d.FirstFailure), shownTime(d.LastFailure), shownTime(d.KeptUntil))
	for _, r := range d.Reasons {
		fmt.Fprintf(w, "  %s\n", shown(r))
	}
}
