package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

const (
	restorers    = 4  // shards that are restored at a time
	restoreTries = 10 // more tries, over some ten seconds, of what reads the bucket before it is given up
)

// lineageText is a lineage as a shard's store keeps it.
func lineageText(l checkpoint.Lineage) string { return fmt.Sprintf("%d-%016x", l.Generation, l.Nonce) }

// restoreShards brings every shard to the restore point, several at a time; each serves as soon as it is there.
func (g *generation) restoreShards(ctx context.Context, state *checkpoint.State) {
	began := time.Now()
	ids := make(chan core.ShardID)
	var group sync.WaitGroup
	for range restorers {
		group.Add(1)
		go func() {
			defer group.Done()
			for id := range ids {
				if err := g.restoreShard(ctx, state, id); err != nil {
					g.fail(g.restoreError(ctx, id, err))
					return
				}
			}
		}()
	}
	for s := range g.stores {
		select {
		case ids <- core.ShardID(s): //nolint:gosec // at most core.MaxShards
		case <-ctx.Done():
		}
	}
	close(ids)
	group.Wait()
	if ctx.Err() == nil {
		g.log.Debug("all shards restored", "checkpoint", state.Checkpoint, "took", time.Since(began))
	}
}

// restoreError says why a shard could not be restored. If another process leads by now, it may have deleted what is missing.
func (g *generation) restoreError(ctx context.Context, id core.ShardID, err error) error {
	err = fmt.Errorf("restore shard %d: %w", id, err)
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

// restoreShard makes the store of a shard hold the restore point: what lies on the disk and the newer segments, or the base and
// all segments since.
func (g *generation) restoreShard(ctx context.Context, state *checkpoint.State, id core.ShardID) error {
	past := state.Past(id)
	store, err := g.openStore(state, past, id)
	if err != nil {
		return err
	}
	if store.Meta().Checkpoint == 0 && past.Base != nil {
		if err := g.restoreBase(ctx, store, past.Base); err != nil {
			return err
		}
	}
	for _, s := range past.Sections {
		if s.Segment.Checkpoint <= store.Meta().Checkpoint {
			continue
		}
		if err := g.restoreSection(ctx, state, store, s); err != nil {
			return err
		}
	}
	store.SetLineage(lineageText(g.node.reign.Lineage()))
	return g.serveShard(id, store)
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

// restoreSection applies one segment's rows of the shard.
func (g *generation) restoreSection(ctx context.Context, state *checkpoint.State, store *shard.Store, at checkpoint.SectionAt) error {
	var failed error
	for attempt := 0; ; attempt++ {
		err := g.node.app.ReadSections(ctx, at.Segment, []core.ShardID{at.Ref.Shard}, func(_ core.ShardID, s *checkpoint.Section) error {
			defer s.Release()
			if l, ok := state.LineageOf(at.Segment.Checkpoint); ok {
				store.SetLineage(lineageText(l))
			}
			failed = store.Commit(at.Segment.Checkpoint, s.NextSeq(), []iter.Seq[core.Row]{s.Rows()}...)
			return failed
		})
		if err == nil || failed != nil || !retryable(err) || !sleep(ctx, backoff(attempt)) {
			return err
		}
		g.log.Warn("read a segment", "segment", at.Segment.Name, "error", err)
	}
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
