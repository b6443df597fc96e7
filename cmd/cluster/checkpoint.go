package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

func newCheckpoint() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Look at an application's checkpoints in the bucket, or move it to another",
		Long:  "These commands read the bucket. They need no node, change nothing, and can be run beside a node; but copy moves the application.",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newCheckpointList(), newCheckpointShow(), newCheckpointVerify(), newCheckpointCopy())
	return cmd
}

// readers is how many manifests are read at a time.
const readers = 8

// lookOptions serve an application that is only read: nothing is named, and no claim is made.
func lookOptions() checkpoint.Options {
	began := time.Now()
	return checkpoint.Options{Random: rand.Reader, Clock: func() time.Duration { return time.Since(began) }}
}

// look opens the application without making anything.
func (l *location) look(ctx context.Context) (*checkpoint.Application, error) {
	at, err := l.place()
	if err != nil {
		return nil, usageError(err)
	}
	b, err := at.openExisting(ctx)
	if err != nil {
		return nil, err
	}
	app, err := checkpoint.OpenApplication(ctx, b, l.application, lookOptions())
	if errors.Is(err, checkpoint.ErrNotFound) {
		return nil, fmt.Errorf("bucket %s holds no application %q: --bucket and --application name another", at, l.application)
	}
	return app, err
}

// gone reports whether an entry is behind the log's cut end.
func gone(err error) bool {
	return errors.Is(err, checkpoint.ErrCut) || errors.Is(err, checkpoint.ErrNotFound)
}

// entriesDown calls use for the entries of the log, newest first, until use returns false or the log ends.
func entriesDown(ctx context.Context, log *checkpoint.Log, use func(*checkpoint.Entry) bool) error {
	tail, err := log.FindTail(ctx, 0)
	if err != nil {
		return err
	}
	for n, e := tail.Number, tail.Entry; n > 0; {
		if !use(e) {
			return nil
		}
		if n--; n == 0 {
			return nil
		}
		if e, err = log.Read(ctx, n); gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stateOf reads what a checkpoint holds: the newest if want is zero, nil if there is none yet.
func stateOf(ctx context.Context, log *checkpoint.Log, want core.CheckpointID) (*checkpoint.State, error) {
	var number checkpoint.Number
	newest := core.CheckpointID(0)
	err := entriesDown(ctx, log, func(e *checkpoint.Entry) bool {
		if e.Manifest == nil {
			return true
		}
		newest = max(newest, e.Manifest.Checkpoint)
		if want == 0 || e.Manifest.Checkpoint == want {
			number = e.Number
		}
		return number == 0 && e.Manifest.Checkpoint > want
	})
	if err != nil {
		return nil, err
	}
	if number == 0 && want != 0 {
		return nil, fmt.Errorf("checkpoint %d is not in the control log (the newest is %d): stateway checkpoint list shows what is", want, newest)
	}
	if number == 0 {
		return nil, nil
	}
	return log.StateAt(ctx, number, readers)
}
