package node

import (
	"context"
	"errors"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// basePause is the time between two looks for shards whose base is due.
const basePause = 500 * time.Millisecond

// refreshBases uploads the bases that are due, one at a time, until ctx ends.
func (g *generation) refreshBases(ctx context.Context) {
	pending := map[core.ShardID]core.CheckpointID{} // uploaded, not in a manifest yet
	for attempt := 0; sleep(ctx, basePause+backoff(attempt)-backoff(0)); {
		state := g.coordinator.committedState()
		err := g.refreshDue(ctx, state, pending)
		if err == nil || ctx.Err() != nil {
			attempt = 0
			continue
		}
		attempt++
		g.log.Warn("refresh of a base", "error", err)
	}
}

func (g *generation) refreshDue(ctx context.Context, state *checkpoint.State, pending map[core.ShardID]core.CheckpointID) error {
	for _, id := range state.Overdue() {
		past := state.Past(id)
		if n, waits := pending[id]; waits && (past.Base == nil || past.Base.Checkpoint < n) {
			continue
		}
		b, err := g.refreshBase(ctx, id, past.Base)
		if err != nil {
			return err
		}
		if b != nil {
			pending[id] = b.Checkpoint
			g.coordinator.addBase(b)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// refreshBase copies a shard's files as of its checkpoint and uploads those that the bucket does not have.
func (g *generation) refreshBase(ctx context.Context, id core.ShardID, prev *checkpoint.Base) (*checkpoint.Base, error) {
	if !g.serving[id].Load() {
		return nil, nil // it is being restored: the store is not ours to read yet
	}
	store := g.stores[id]
	if store.Empty() || (prev != nil && store.Meta().Checkpoint <= prev.Checkpoint) {
		return nil, nil
	}
	src, err := store.Base()
	if err != nil {
		return nil, err
	}
	b, err := g.node.app.UploadBase(ctx, g.id, baseSource(src), prev)
	err = errors.Join(err, src.Close())
	if err == nil {
		g.node.metrics.base(src.Bytes())
	}
	return b, err
}

func baseSource(b *shard.Base) checkpoint.BaseSource {
	fs, dir := b.Folder()
	return checkpoint.BaseSource{
		FS: fs, Dir: dir, Shard: b.Shard, Checkpoint: b.Checkpoint, NextSeq: b.NextSeq,
		Format: uint64(b.PebbleFormat), //nolint:gosec // a small number
	}
}
