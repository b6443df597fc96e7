package node

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

// uploader turns the workers' parts of a checkpoint into one segment in the bucket.
type uploader struct {
	gen   *generation
	parts chan core.Part // of as many as there are workers: never full
	begin sync.Map       // core.CheckpointID to time.Time
}

func newUploader(g *generation) *uploader {
	return &uploader{gen: g, parts: make(chan core.Part, g.node.cfg.Workers)}
}

func (u *uploader) put(p core.Part) { u.parts <- p }

// began notes when a checkpoint began, for its measured time.
func (u *uploader) began(n core.CheckpointID) { u.begin.Store(n, time.Now()) }

// age is how long ago a checkpoint began; it is asked once.
func (u *uploader) age(n core.CheckpointID) time.Duration {
	at, ok := u.begin.LoadAndDelete(n)
	if !ok {
		return 0
	}
	return time.Since(at.(time.Time))
}

// run uploads one checkpoint after the other until ctx ends.
func (u *uploader) run(ctx context.Context) {
	for {
		parts, ok := u.gather(ctx)
		if !ok {
			return
		}
		commit, ok := u.upload(ctx, parts)
		if !ok {
			return
		}
		u.gen.coordinator.put(core.SegmentStored{
			Checkpoint: commit.Checkpoint,
			Segment:    core.Segment{Ref: commit},
		})
	}
}

// gather waits for every worker's part of the next checkpoint.
func (u *uploader) gather(ctx context.Context) ([]core.Part, bool) {
	var parts []core.Part
	for range u.gen.workers {
		select {
		case <-ctx.Done():
			return nil, false
		case p := <-u.parts:
			parts = append(parts, p)
		}
	}
	return parts, true
}

// upload stores the segment, however often that takes.
func (u *uploader) upload(ctx context.Context, parts []core.Part) (checkpoint.Commit, bool) {
	commit := checkpoint.Commit{Checkpoint: parts[0].Checkpoint, Positions: map[string][]byte{}}
	var overlays []*core.Overlay
	for _, p := range parts {
		commit.Time = max(commit.Time, p.Time)
		for name, at := range p.Positions {
			commit.Positions[name] = at
		}
		overlays = append(overlays, p.Overlays...)
	}
	if len(overlays) == 0 {
		return commit, true
	}
	slices.SortFunc(overlays, func(a, b *core.Overlay) int { return int(a.Shard) - int(b.Shard) })
	if !u.encode(overlays) {
		return commit, false
	}
	for attempt := 0; ; attempt++ {
		seg, err := u.try(ctx, commit.Checkpoint, overlays)
		if err == nil {
			commit.Segments = []*checkpoint.Segment{seg}
			return commit, true
		}
		u.gen.log.Warn("upload of a segment", "checkpoint", commit.Checkpoint, "error", err)
		if !sleep(ctx, backoff(attempt)) {
			return commit, false
		}
	}
}

// encode encodes the sections, which the shards' stores take from the applier later.
func (u *uploader) encode(overlays []*core.Overlay) bool {
	for _, o := range overlays {
		s, err := checkpoint.EncodeSection(u.counted(o.Rows()), o.NextSeq)
		if err != nil {
			u.gen.fail(fmt.Errorf("encode shard %d of checkpoint %d: %w", o.Shard, o.Epoch, err))
			return false
		}
		u.gen.applier.encoded(o, s)
	}
	return true
}

// counted counts the bytes of the keys and values of rows.
func (u *uploader) counted(rows iter.Seq[core.Row]) iter.Seq[core.Row] {
	return func(yield func(core.Row) bool) {
		bytes := 0
		for r := range rows {
			bytes += len(r.Key) + len(r.Value)
			if !yield(r) {
				break
			}
		}
		u.gen.node.metrics.rowBytes.Add(int64(bytes))
	}
}

// try builds the segment under a fresh name and uploads it.
func (u *uploader) try(ctx context.Context, n core.CheckpointID, overlays []*core.Overlay) (*checkpoint.Segment, error) {
	w, err := u.gen.node.app.NewSegment(u.gen.id, n, 0)
	if err != nil {
		return nil, err
	}
	for _, o := range overlays {
		if err := w.Add(o.Shard, u.gen.applier.section(o)); err != nil {
			return nil, err
		}
	}
	seg, err := w.Upload(ctx)
	if err == nil {
		u.gen.node.metrics.segment(w.RowBytes(), seg.Length)
	}
	return seg, err
}
