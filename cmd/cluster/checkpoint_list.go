package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

// logEntry is one line of checkpoint list.
type logEntry struct {
	Number     checkpoint.Number `json:"number"` // in the control log
	Kind       string            `json:"kind"`   // checkpoint, claim, departure or arrival
	Generation core.Generation   `json:"generation"`
	Checkpoint core.CheckpointID `json:"checkpoint,omitempty"`
	Time       time.Time         `json:"time"`
	// Of a checkpoint: what it adds.
	Full         bool   `json:"full,omitempty"`
	Rows         uint64 `json:"rows,omitempty"`
	SegmentBytes int64  `json:"segmentBytes,omitempty"`
	BaseBytes    int64  `json:"baseBytes,omitempty"` // of refreshed bases, files that were there before included
	// Of a claim: who it was.
	Contact string `json:"contact,omitempty"`
	// Of the ends of a move: from where to where.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

func newCheckpointList() *cobra.Command {
	var at location
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List checkpoints and changes of leadership, newest first",
		Long: `List prints the newest entries of the control log: each checkpoint with the rows and bytes that it added, and each claim of a process
to lead, which begins a generation.`,
		Example: `  stateway checkpoint list --bucket file:///var/lib/stateway/bucket --application shop
  stateway checkpoint list --limit 1000 --json`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usageError(fmt.Errorf("--limit %d: want at least 1", limit))
			}
			app, err := at.look(cmd.Context())
			if err != nil {
				return err
			}
			list := []logEntry{}
			err = entriesDown(cmd.Context(), app.Log(), func(e *checkpoint.Entry) bool {
				list = append(list, listed(e))
				return len(list) < limit
			})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printLog(cmd.OutOrStdout(), list)
		},
	}
	at.flags(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 20, "print at most `N` entries")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func listed(e *checkpoint.Entry) logEntry {
	if c := e.Claim; c != nil {
		return logEntry{
			Number: e.Number, Kind: "claim", Generation: core.Generation(e.Number),
			Time: clockTime(c.Time), Contact: c.Contact,
		}
	}
	if m := e.Departure; m != nil {
		return logEntry{Number: e.Number, Kind: "departure", Time: clockTime(m.Time), From: m.From, To: m.To}
	}
	if m := e.Arrival; m != nil {
		return logEntry{Number: e.Number, Kind: "arrival", Generation: e.Generation(), Time: clockTime(m.Time), From: m.From, To: m.To}
	}
	m := e.Manifest
	l := logEntry{
		Number: e.Number, Kind: "checkpoint", Generation: m.Lineage.Generation, Checkpoint: m.Checkpoint,
		Time: clockTime(m.Time), Full: m.Full,
	}
	for _, s := range m.Segments {
		if s.Checkpoint != m.Checkpoint {
			continue // a full manifest names older ones, too
		}
		l.SegmentBytes += s.Length
		l.Rows += segmentRows(s)
	}
	for _, b := range m.Bases {
		if !m.Full {
			l.BaseBytes += b.Size()
		}
	}
	return l
}

func segmentRows(s *checkpoint.Segment) (rows uint64) {
	for i := range s.Sections {
		rows += s.Sections[i].Rows
	}
	return rows
}

func clockTime(m core.Millis) time.Time { return time.UnixMilli(int64(m)).UTC() }

func printLog(w io.Writer, list []logEntry) error {
	rows := [][]string{{"NUMBER", "GENERATION", "TIME", "WHAT", "ROWS", "BYTES"}}
	for _, l := range list {
		what, changed, size := fmt.Sprintf("checkpoint %d", l.Checkpoint), strconv.FormatUint(l.Rows, 10), strconv.FormatInt(l.SegmentBytes, 10)
		if l.BaseBytes > 0 {
			size += fmt.Sprintf(" + %d in bases", l.BaseBytes)
		}
		if l.Kind != "checkpoint" {
			what, changed, size = l.Kind, "-", "-"
		}
		switch {
		case l.Contact != "":
			what += " of " + shown(l.Contact)
		case l.Kind == "departure":
			what += " to " + shown(l.To)
		case l.Kind == "arrival":
			what += " from " + shown(l.From)
		}
		rows = append(rows, []string{
			strconv.FormatUint(uint64(l.Number), 10), strconv.FormatUint(uint64(l.Generation), 10), shownTime(&l.Time), what, changed, size,
		})
	}
	return table(w, rows)
}
