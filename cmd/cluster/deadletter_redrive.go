package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/runtime/admin"
)

const redriveHelp = `Redrive puts messages back: each letter is deleted in the checkpoint in which its message waits again, behind what waits at its Address now, so that
a crash neither loses nor doubles it. Name the letters by id, or choose them as in list; --all takes every one.

The order of messages between two Addresses is not kept by it: what is put back comes after what was sent later. A message that fails again becomes a new
dead letter. What cannot be put back stays, and the exit code is 1.`

func newDeadLetterRedrive() *cobra.Command {
	var node running
	var which chosen
	var mode redriveMode
	cmd := &cobra.Command{
		Use:   "redrive [ID…]",
		Short: "Put messages of dead letters back",
		Long:  redriveHelp,
		Example: `  stateway deadletter redrive 3-1763738000000-42
  stateway deadletter redrive --type shop/cart --error timeout --dry-run
  stateway deadletter redrive --all --limit 10000`,
		Args: arguments(0, -1, "ids of dead letters"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, err := node.client()
			if err != nil {
				return err
			}
			if err := which.check(time.Now()); err != nil {
				return err
			}
			if err := mode.check(args, which.Empty()); err != nil {
				return err
			}
			letters, more, err := toRedrive(cmd, c, args, &which)
			if err != nil {
				return err
			}
			if mode.dry {
				return printRedrive(cmd, node.json, letters, more, true)
			}
			err = redriveAll(cmd, c, letters, mode.batch)
			if printed := printRedrive(cmd, node.json, letters, more, false); err == nil {
				err = printed
			}
			return err
		},
	}
	node.flags(cmd.Flags())
	which.flags(cmd.Flags(), 1000, "put back at most `N` of the chosen messages")
	cmd.Flags().BoolVar(&mode.dry, "dry-run", false, "only tell what would be put back")
	cmd.Flags().BoolVar(&mode.all, "all", false, "choose all dead letters")
	cmd.Flags().IntVar(&mode.batch, "batch", 100, "put back `N` messages at a time, up to 1000")
	return cmd
}

// redriveMode are the flags of redrive beside those that choose.
type redriveMode struct {
	dry, all bool
	batch    int
}

func (m *redriveMode) check(ids []string, unfiltered bool) error {
	switch {
	case m.batch < 1 || m.batch > 1000:
		return usageError(fmt.Errorf("--batch %d: want 1 to 1000", m.batch))
	case len(ids) > 0 && (m.all || !unfiltered):
		return usageError(fmt.Errorf("name dead letters by id or choose them with flags, not both"))
	case len(ids) == 0 && unfiltered && !m.all:
		return usageError(fmt.Errorf("name dead letters by id, choose them with flags, or say --all"))
	case m.all && !unfiltered:
		return usageError(fmt.Errorf("--all takes no other choice"))
	}
	return nil
}

// redriveOne is what redrive prints of a letter with --json.
type redriveOne struct {
	ID      string `json:"id"`
	Address string `json:"address,omitempty"`
	Error   string `json:"error,omitempty"` // why it stays
}

// toRedrive reads the letters that arguments or flags choose, all before the first is put back: what fails again meanwhile is not put back again.
func toRedrive(cmd *cobra.Command, c *admin.Client, ids []string, which *chosen) (letters []redriveOne, more bool, err error) {
	if len(ids) == 0 {
		found, more, err := which.all(cmd, c)
		for _, d := range found {
			letters = append(letters, redriveOne{ID: d.ID, Address: d.Address, Error: d.Problem})
		}
		return letters, more, err
	}
	for _, id := range ids {
		d, err := c.DeadLetter(cmd.Context(), id)
		var refused *admin.Error
		if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			letters = append(letters, redriveOne{ID: id, Error: refused.Text}) // the others go on
			continue
		}
		if err != nil {
			return nil, false, err
		}
		letters = append(letters, redriveOne{ID: d.ID, Address: d.Address, Error: d.Problem})
	}
	return letters, false, nil
}

// redriveAll puts back letters that have no problem, batch after batch, and notes what became of them. Its error is that of the node, which ends it:
// the letters behind say so.
func redriveAll(cmd *cobra.Command, c *admin.Client, letters []redriveOne, batch int) error {
	var able []*redriveOne
	for i := range letters {
		if letters[i].Error == "" {
			able = append(able, &letters[i])
		}
	}
	for len(able) > 0 {
		some := able[:min(batch, len(able))]
		ids := make([]string, len(some))
		for i, l := range some {
			ids[i] = l.ID
		}
		done, err := c.Redrive(cmd.Context(), ids)
		if err != nil {
			for _, l := range able {
				l.Error = "not asked for, or without an answer: " + err.Error()
			}
			return err
		}
		for i, l := range some {
			l.Error = done[i].Error
		}
		able = able[len(some):]
	}
	return nil
}

func printRedrive(cmd *cobra.Command, asJSON bool, letters []redriveOne, more, dry bool) error {
	stay := 0
	for _, l := range letters {
		if l.Error != "" {
			stay++
		}
	}
	failed := error(nil)
	if stay > 0 {
		failed = said(exitFailure, fmt.Errorf("%s cannot be put back", count(stay, "dead letter")))
	}
	if asJSON {
		if letters == nil {
			letters = []redriveOne{}
		}
		out := struct {
			DeadLetters []redriveOne `json:"deadLetters"`
			More        bool         `json:"more,omitempty"`
			DryRun      bool         `json:"dryRun,omitempty"`
		}{letters, more, dry}
		if err := printJSON(cmd.OutOrStdout(), out); err != nil {
			return err
		}
		return failed
	}
	verb := "put back"
	if dry {
		verb = "would put back"
	}
	w := cmd.OutOrStdout()
	for _, l := range letters {
		if l.Error != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "stateway: %s: %s\n", l.ID, shown(l.Error))
			continue
		}
		fmt.Fprintf(w, "%s %s %s\n", verb, l.ID, orDash(l.Address))
	}
	fmt.Fprintf(w, "%s %s\n", verb, count(len(letters)-stay, "message"))
	if more {
		fmt.Fprintln(w, "there may be more: see --limit")
	}
	return failed
}
