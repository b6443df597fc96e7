package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

// verified is what checkpoint verify --json prints.
type verified struct {
	OK         bool              `json:"ok"`
	Checkpoint core.CheckpointID `json:"checkpoint"` // 0 if none could be read, or none was committed yet
	Segments   int               `json:"segments"`   // read and right
	Sections   int               `json:"sections"`
	Rows       uint64            `json:"rows"`
	Files      int               `json:"files"` // of bases, read and right
	Bytes      int64             `json:"bytes"`
	Problems   []string          `json:"problems"`
}

func newCheckpointVerify() *cobra.Command {
	var at location
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify [CHECKPOINT]",
		Short: "Read a whole checkpoint and check every checksum",
		Long: `Verify reads everything that a restart at the checkpoint (without a number: the newest) needs, and names each object that is missing or
damaged. The exit code is 1 if there is one. It reads as many bytes as the application has state.`,
		Example: `  stateway checkpoint verify --bucket file:///mnt/backup/bucket --application shop
  stateway checkpoint verify 4711 --json`,
		Args: arguments(0, 1, "one checkpoint or none"),
		RunE: func(cmd *cobra.Command, args []string) error {
			want, err := wanted(args)
			if err != nil {
				return usageError(err)
			}
			v, err := verify(cmd.Context(), &at, want)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), v)
			} else {
				v.print(cmd)
			}
			if err == nil && !v.OK {
				return said(exitFailure, errors.New("the checkpoint is damaged"))
			}
			return err
		},
	}
	at.flags(cmd.Flags())
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// verifyTries is how often a damaged newest checkpoint is given up for a newer one: beside a running node, what was
// listed a moment ago may have been replaced and deleted meanwhile.
const verifyTries = 5

func verify(ctx context.Context, at *location, want core.CheckpointID) (verified, error) {
	var last core.CheckpointID
	for try := 1; ; try++ {
		r, err := verifyOnce(ctx, at, want)
		if err != nil {
			return verified{}, err
		}
		v := verifiedOf(r)
		if v.OK || want != 0 || v.Checkpoint == 0 || v.Checkpoint == last || try == verifyTries {
			return v, nil
		}
		last = v.Checkpoint
	}
}

func verifyOnce(ctx context.Context, at *location, want core.CheckpointID) (checkpoint.Report, error) {
	app, err := at.look(ctx)
	if err == nil {
		var s *checkpoint.State
		if s, err = stateOf(ctx, app.Log(), want); err == nil && s != nil {
			return app.VerifyState(ctx, s)
		}
	}
	if errors.Is(err, checkpoint.ErrDamaged) {
		return checkpoint.Report{Problems: []error{err}}, nil
	}
	return checkpoint.Report{}, err
}

func verifiedOf(r checkpoint.Report) verified {
	v := verified{
		OK: len(r.Problems) == 0, Segments: r.Segments, Sections: r.Sections, Rows: r.Rows,
		Files: r.Files, Bytes: r.Bytes, Problems: []string{},
	}
	if r.State != nil {
		v.Checkpoint = r.State.Checkpoint
	}
	for _, p := range r.Problems {
		v.Problems = append(v.Problems, p.Error())
	}
	return v
}

func (v verified) print(cmd *cobra.Command) {
	for _, p := range v.Problems {
		fmt.Fprintln(cmd.ErrOrStderr(), p)
	}
	what := "nothing was committed yet"
	if v.Checkpoint > 0 {
		what = fmt.Sprintf("checkpoint %d: %s, %s, %s, %s, %s", v.Checkpoint, count(v.Segments, "segment"),
			count(v.Sections, "section"), count(int(v.Rows), "row"), count(v.Files, "base file"), count(int(v.Bytes), "byte")) //nolint:gosec // rows that were read
	}
	damaged := "damaged: " + count(len(v.Problems), "object")
	switch {
	case v.OK:
		fmt.Fprintln(cmd.OutOrStdout(), "ok: "+what)
	case v.Checkpoint > 0:
		fmt.Fprintln(cmd.OutOrStdout(), damaged+": "+what+" right")
	default:
		fmt.Fprintln(cmd.OutOrStdout(), damaged+", without which no checkpoint can be read")
	}
}
