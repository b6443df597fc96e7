package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/bootclock"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/node"
)

// copied is what checkpoint copy --json prints.
type copied struct {
	Application   string            `json:"application"`
	ApplicationID string            `json:"applicationId"`
	From          string            `json:"from"`
	To            string            `json:"to"`
	Fork          bool              `json:"fork"`
	Source        core.CheckpointID `json:"source,omitempty"`     // checkpoint that was copied; absent if that was done before
	Checkpoint    core.CheckpointID `json:"checkpoint,omitempty"` // that the target starts from
	Segments      int               `json:"segments"`
	Files         int               `json:"files"` // of bases
	Bytes         int64             `json:"bytes"`
}

// copyOptions are the flags of checkpoint copy.
type copyOptions struct {
	application string
	fork        bool
	parallel    int
	lease       time.Duration
}

func newCheckpointCopy() *cobra.Command {
	var o copyOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Move an application to another bucket, or copy it",
		Long: `Copy moves an application from one bucket to another: everything that its newest checkpoint refers to is copied and checked, then its log in FROM
ends with a record that refuses to start and says where it went, and it starts in TO. End its nodes first. Interrupted at any moment, it starts in
exactly one of the buckets; run the command again, and it goes on where it was. Nothing is deleted in FROM.

With --fork FROM stays as it is, and may be in use; TO gets an application of the same name with an id of its own, so that no id that leaves
the two is ever the same. Both then read the same sources and write to the same sinks, unless their module files say otherwise.`,
		Example: `  stateway checkpoint copy file:///var/lib/stateway/bucket s3://state/prod?region=eu-central-1 --application shop
  stateway checkpoint copy s3://state/prod file:///tmp/trial --application shop --fork`,
		Args: arguments(2, 2, "two buckets"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.run(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), c)
			}
			c.print(cmd)
			return nil
		},
	}
	cmd.Flags().StringVar(&o.application, "application", defaultApplication, "`name` of the application in both buckets")
	cmd.Flags().BoolVar(&o.fork, "fork", false, "leave the application in FROM as it is, and make another one in TO")
	cmd.Flags().DurationVar(&o.lease, "lease", 2*time.Second, "how long a leader in FROM that cannot be asked must be silent before it is deposed; at least its nodes' --lease")
	cmd.Flags().IntVar(&o.parallel, "parallel", 8, "`number` of objects copied at a time")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func (o *copyOptions) run(ctx context.Context, from, to string) (copied, error) {
	if o.lease < 10*time.Millisecond || o.parallel < 1 || o.parallel > 256 {
		return copied{}, usageError(errors.New("want --lease of at least 10ms and --parallel from 1 to 256"))
	}
	source, err := parsePlace(from)
	if err != nil {
		return copied{}, usageError(fmt.Errorf("FROM: %w", err))
	}
	target, err := parsePlace(to)
	if err != nil {
		return copied{}, usageError(fmt.Errorf("TO: %w", err))
	}
	if err := checkpoint.ValidName(o.application); err != nil {
		return copied{}, usageError(fmt.Errorf("--application: %w", err))
	}
	src, err := source.openExisting(ctx)
	if err != nil {
		return copied{}, fmt.Errorf("FROM: %w", err)
	}
	dst, err := target.open(ctx)
	if err != nil {
		return copied{}, fmt.Errorf("TO: %w", err)
	}
	done, err := checkpoint.Copy(ctx, src, dst, o.application, checkpoint.CopyOptions{
		Options: checkpoint.Options{Random: rand.Reader, Clock: bootclock.Now},
		From:    withoutPassword(from), To: withoutPassword(to), Fork: o.fork, Parallel: o.parallel,
		Await: func(ctx context.Context, log *checkpoint.Log) (checkpoint.Tail, error) {
			return node.AwaitVacancy(ctx, log, o.lease, openURL)
		},
	})
	if errors.Is(err, checkpoint.ErrNotFound) {
		return copied{}, fmt.Errorf("bucket %s holds no application %q: --application names another: %w", source, o.application, err)
	}
	return copied{
		Application: o.application, ApplicationID: done.ID.String(), From: withoutPassword(from), To: withoutPassword(to), Fork: o.fork,
		Source: done.Source, Checkpoint: done.Checkpoint, Segments: done.Report.Segments, Files: done.Report.Files, Bytes: done.Report.Bytes,
	}, err
}

// openURL opens a bucket that is there, by its URL.
func openURL(ctx context.Context, url string) (checkpoint.Bucket, error) {
	p, err := parsePlace(url)
	if err != nil {
		return nil, err
	}
	return p.openExisting(ctx)
}

func (c copied) print(cmd *cobra.Command) {
	verb := "moved"
	if c.Fork {
		verb = "forked"
	}
	if c.Segments == 0 && c.Files == 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "%s was %s to %s already: start it there\n", c.Application, verb, c.To)
		return
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s to %s: checkpoint %d (%s, %s, %s), which is %d there; id %s\n", verb, c.Application, c.To, c.Source,
		count(c.Segments, "segment"), count(c.Files, "base file"), count(int(c.Bytes), "byte"), c.Checkpoint, c.ApplicationID)
	if !c.Fork {
		fmt.Fprintf(cmd.OutOrStdout(), "start it with --bucket %s; what is in %s is needed no longer\n", c.To, c.From)
	}
}
