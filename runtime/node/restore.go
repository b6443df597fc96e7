package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

const (
	restorers    = 4  // groups of shards that are restored at a time
	groupCount   = 8  // of shards that lie side by side in segments, so that one request reads their sections
	groupReads   = 4  // requests to the bucket that a group has under way; of sections fewer, if memory asks for that
	restoreTries = 10 // more tries, over some ten seconds, of what reads the bucket before it is given up
)

// lineageText is a lineage as a shard's store keeps it.
func lineageText(l checkpoint.Lineage) string { return fmt.Sprintf("%d-%016x", l.Generation, l.Nonce) }

// restoreShards brings every shard to the restore point, several groups at a time; each serves as soon as it is there. No more than
// restorers times groupReads requests are under way.
func (g *generation) restoreShards(ctx context.Context, state *checkpoint.State) {
	began := time.Now()
	groups := make(chan []core.ShardID)
	var restoring sync.WaitGroup
	for range restorers {
		restoring.Go(func() {
			for ids := range groups {
				if err := g.restoreGroup(ctx, state, ids); err != nil {
					g.fail(g.restoreError(ctx, err))
				}
			}
		})
	}
	for _, ids := range shardGroups(len(g.stores)) {
		select {
		case groups <- ids:
		case <-ctx.Done():
		}
	}
	close(groups)
	restoring.Wait()
	if ctx.Err() == nil {
		g.log.Debug("all shards restored", "checkpoint", state.Checkpoint, "took", time.Since(began))
	}
}

// shardGroups are the shards, in groupCount groups of neighbours.
func shardGroups(shards int) [][]core.ShardID {
	all := make([]core.ShardID, shards)
	for s := range all {
		all[s] = core.ShardID(s) //nolint:gosec // at most core.MaxShards
	}
	return slices.Collect(slices.Chunk(all, max(1, (shards+groupCount-1)/groupCount)))
}

// restoreError says why a shard could not be restored. If another process leads by now, it may have deleted what is missing.
func (g *generation) restoreError(ctx context.Context, err error) error {
	err = fmt.Errorf("restore: %w", err)
	if !errors.Is(err, checkpoint.ErrDamaged) {
		return err
	}
	tail, tailErr := g.node.app.Log().FindTail(ctx, checkpoint.Number(g.id))
	if tailErr != nil || tail.Entry == nil {
		return err
	}
	if last := tail.Entry.Generation(); last != g.id {
		return errors.Join(ErrDeposed, fmt.Errorf("generation %d began while generation %d restored", last, g.id), err)
	}
	return err
}

// restoreGroup makes the stores of a group of shards hold the restore point: what lies on the disk and the newer segments, or the base and
// all segments since. Their bases are read at the same time, and then their sections, adjoining ones in one request.
func (g *generation) restoreGroup(ctx context.Context, state *checkpoint.State, ids []core.ShardID) error {
	bases, basesCtx := errgroup.WithContext(ctx)
	bases.SetLimit(groupReads)
	for _, id := range ids {
		bases.Go(func() error { return g.restoreToBase(basesCtx, state, id) })
	}
	if err := bases.Wait(); err != nil {
		return err
	}
	left := map[core.ShardID]int{} // sections that the shard still lacks
	for _, id := range ids {
		for _, s := range state.Past(id).Sections {
			if s.Segment.Checkpoint > g.stores[id].Meta().Checkpoint {
				left[id]++
			}
		}
		if left[id] == 0 {
			if err := g.serveRestored(id); err != nil {
				return err
			}
		}
	}
	return g.restoreSections(ctx, state, left)
}

// serveRestored has a shard serve that holds the restore point.
func (g *generation) serveRestored(id core.ShardID) error {
	g.stores[id].SetLineage(lineageText(g.node.reign.Lineage()))
	return g.serveShard(id, g.stores[id])
}

// restoreToBase opens a shard's store, and fills it with the base if it is empty.
func (g *generation) restoreToBase(ctx context.Context, state *checkpoint.State, id core.ShardID) error {
	past := state.Past(id)
	store, err := g.openStore(state, past, id)
	if err == nil && store.Meta().Checkpoint == 0 && past.Base != nil {
		err = g.restoreBase(ctx, store, past.Base)
	}
	if err != nil {
		return fmt.Errorf("shard %d: %w", id, err)
	}
	return nil
}

// restoreSections reads and commits the sections that shards lack, until none of them lacks any. It tries for ever what may go better later.
func (g *generation) restoreSections(ctx context.Context, state *checkpoint.State, left map[core.ShardID]int) error {
	ahead := checkpoint.Ahead{Requests: groupReads, Bytes: max(256<<10, g.node.cfg.Memory/8/restorers/groupReads)}
	var failed error
	for attempt := 0; len(left) > 0; attempt++ {
		var lacking []checkpoint.Resume
		for id := range left {
			lacking = append(lacking, checkpoint.Resume{Shard: id, After: g.stores[id].Meta().Checkpoint})
		}
		err := g.node.app.ReadNewerAhead(ctx, state, lacking, ahead, func(id core.ShardID, n core.CheckpointID, s *checkpoint.Section) error {
			defer s.Release()
			attempt = 0
			failed = g.restoreSection(state, id, n, s)
			if left[id]--; failed == nil && left[id] == 0 {
				delete(left, id)
				failed = g.serveRestored(id)
			}
			return failed
		})
		if failed != nil || err != nil && (!retryable(err) || !sleep(ctx, backoff(attempt))) {
			return err
		}
		if err != nil {
			g.log.Warn("read a segment", "error", err)
		}
	}
	return nil
}

// restoreSection commits one segment's rows of a shard.
func (g *generation) restoreSection(state *checkpoint.State, id core.ShardID, n core.CheckpointID, s *checkpoint.Section) error {
	if l, ok := state.LineageOf(n); ok {
		g.stores[id].SetLineage(lineageText(l))
	}
	if err := g.stores[id].Commit(n, s.NextSeq(), s.Rows()); err != nil {
		return fmt.Errorf("shard %d: %w", id, err)
	}
	return nil
}

func (g *generation) openStore(state *checkpoint.State, past checkpoint.ShardPast, id core.ShardID) (*shard.Store, error) {
	want := shard.Want{
		Point: state.Checkpoint,
		InChain: func(n core.CheckpointID, lineage string) bool {
			l, ok := state.LineageOf(n)
			return ok && lineageText(l) == lineage
		},
	}
	if past.Base != nil {
		want.Base = past.Base.Checkpoint
	}
	store, err := g.node.set.Store(id, want)
	if err != nil {
		return nil, err
	}
	g.stores[id] = store
	return store, nil
}

// restoreBase fetches a base. It tries again a few times: not every error tells whether the bucket, the disk or the base is at fault.
func (g *generation) restoreBase(ctx context.Context, store *shard.Store, b *checkpoint.Base) error {
	for attempt := 0; ; attempt++ {
		err := g.tryBase(ctx, store, b)
		final := attempt == restoreTries || !retryable(err) || errors.Is(err, shard.ErrStore) || errors.Is(err, shard.ErrBase)
		if err == nil || final || !sleep(ctx, backoff(attempt)) {
			return err
		}
		g.log.Warn("read a base", "shard", b.Shard, "checkpoint", b.Checkpoint, "error", err)
	}
}

func (g *generation) tryBase(ctx context.Context, store *shard.Store, b *checkpoint.Base) error {
	r, err := store.Restore()
	if err != nil {
		return err
	}
	if err := g.node.app.RestoreBaseFiles(ctx, b, r.Create); err != nil {
		_ = r.Abort()
		return err
	}
	return r.Finish(b.Checkpoint)
}

// serveShard tells the shard's worker that its store answers.
func (g *generation) serveShard(id core.ShardID, store *shard.Store) error {
	if err := g.node.checkShard(store); err != nil {
		return err
	}
	specs, err := store.Specs()
	if err != nil {
		return err
	}
	egresses, err := g.storedEgresses(store)
	if err != nil {
		return err
	}
	letters, letterBytes, err := store.CountFailures()
	if err != nil {
		return err
	}
	g.serving[id].Store(true)
	g.workers[g.owners[id]].inbox.put(core.ShardRestored{
		Shard: id, Empty: store.Empty(), Specs: specs, Egresses: egresses,
		Letters: letters, LetterBytes: letterBytes,
	})
	if g.pending.Add(-1) == 0 {
		g.checkReady()
	}
	return nil
}

// storedEgresses are the egresses of which the shard has records that are not published.
func (g *generation) storedEgresses(store *shard.Store) ([]core.EgressID, error) {
	names, err := store.OutboxEgresses()
	if err != nil {
		return nil, err
	}
	var ids []core.EgressID
	for _, name := range names {
		for i, e := range g.node.cfg.Parts.Egresses {
			if e.Core.Name == name {
				ids = append(ids, core.EgressID(i)) //nolint:gosec // a short list
			}
		}
	}
	return ids, nil
}
