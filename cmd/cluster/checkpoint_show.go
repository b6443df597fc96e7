package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

// checkpointInfo is everything that a restart at a checkpoint reads.
type checkpointInfo struct {
	Application   string            `json:"application"`
	ApplicationID string            `json:"applicationId"`
	Checkpoint    core.CheckpointID `json:"checkpoint"`
	Number        checkpoint.Number `json:"number"` // in the control log
	Generation    core.Generation   `json:"generation"`
	Time          time.Time         `json:"time"`
	Segments      int               `json:"segments"`
	SegmentBytes  int64             `json:"segmentBytes"`
	BaseBytes     int64             `json:"baseBytes"`
	// Positions are those of the ingresses' partitions, named "ingress partition"; the bytes are the driver's own.
	Positions map[string][]byte `json:"positions"`
	Shards    []shardInfo       `json:"shards"`
}

// shardInfo is where a shard's rows lie.
type shardInfo struct {
	Shard core.ShardID `json:"shard"`
	// Base is the checkpoint that the shard's base holds, absent without one.
	Base      core.CheckpointID `json:"base,omitempty"`
	BaseBytes int64             `json:"baseBytes,omitempty"`
	// Sections are the parts of segments to be read behind the base.
	Sections     int    `json:"sections"`
	SectionBytes int64  `json:"sectionBytes"`
	Rows         uint64 `json:"rows"` // in the sections
}

func newCheckpointShow() *cobra.Command {
	var at location
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [CHECKPOINT]",
		Short: "Show what a checkpoint consists of",
		Long: `Show prints what a restart at the checkpoint (without a number: the newest) would read: segments, bases and positions, shard by shard.
Of an older checkpoint some objects may have been deleted already.`,
		Example: `  stateway checkpoint show --application shop
  stateway checkpoint show 4711 --json`,
		Args: arguments(0, 1, "one checkpoint or none"),
		RunE: func(cmd *cobra.Command, args []string) error {
			want, err := wanted(args)
			if err != nil {
				return usageError(err)
			}
			app, err := at.look(cmd.Context())
			if err != nil {
				return err
			}
			s, err := stateOf(cmd.Context(), app.Log(), want)
			if err != nil {
				return err
			}
			if s == nil {
				return errors.New("nothing was committed yet")
			}
			info := infoOf(app, s)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), info)
			}
			return info.print(cmd.OutOrStdout())
		},
	}
	at.flags(cmd.Flags())
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// wanted is the checkpoint that the arguments name, zero if none.
func wanted(args []string) (core.CheckpointID, error) {
	if len(args) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("checkpoint %q: want its number, such as 4711", args[0])
	}
	return core.CheckpointID(n), nil
}

func infoOf(app *checkpoint.Application, s *checkpoint.State) checkpointInfo {
	info := checkpointInfo{
		Application: app.Name, ApplicationID: app.ID.String(), Checkpoint: s.Checkpoint, Number: s.Number,
		Generation: s.Lineage.Generation, Time: clockTime(s.Time), Segments: len(s.Segments), Positions: s.Positions,
	}
	for _, seg := range s.Segments {
		info.SegmentBytes += seg.Length
	}
	for i := range s.Shards {
		past := s.Past(core.ShardID(i))                                                                    //nolint:gosec // at most core.MaxShards
		sh := shardInfo{Shard: core.ShardID(i), Sections: len(past.Sections), BaseBytes: past.Base.Size()} //nolint:gosec // the same
		if past.Base != nil {
			sh.Base = past.Base.Checkpoint
		}
		for _, at := range past.Sections {
			sh.SectionBytes += at.Ref.Length
			sh.Rows += at.Ref.Rows
		}
		info.BaseBytes += sh.BaseBytes
		info.Shards = append(info.Shards, sh)
	}
	return info
}

func (c checkpointInfo) print(w io.Writer) error {
	fmt.Fprintf(w, "application:  %s (%s)\ncheckpoint:   %d, control log number %d, generation %d\ntime:         %s\n",
		c.Application, c.ApplicationID, c.Checkpoint, c.Number, c.Generation, shownTime(&c.Time))
	fmt.Fprintf(w, "segments:     %d, %d bytes\nbases:        %d bytes\n", c.Segments, c.SegmentBytes, c.BaseBytes)
	for _, name := range slices.Sorted(maps.Keys(c.Positions)) {
		fmt.Fprintf(w, "position:     %s = %x\n", shown(name), c.Positions[name])
	}
	rows := [][]string{{"SHARD", "BASE", "BASE BYTES", "SECTIONS", "BYTES", "ROWS"}}
	empty := 0
	for _, s := range c.Shards {
		if s.Base == 0 && s.Sections == 0 {
			empty++
			continue
		}
		base := "-"
		if s.Base > 0 {
			base = strconv.FormatUint(uint64(s.Base), 10)
		}
		rows = append(rows, []string{
			strconv.Itoa(int(s.Shard)), base, strconv.FormatInt(s.BaseBytes, 10), strconv.Itoa(s.Sections),
			strconv.FormatInt(s.SectionBytes, 10), strconv.FormatUint(s.Rows, 10),
		})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s without rows\n", count(empty, "shard"))
	return nil
}
