package checkpoint

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/stateway/stateway/runtime/core"
)

// StateBelow returns the restore point of the claim with number claim, which must have won: what the
// last manifest below it and all before say. Parallel is how many manifests are read at once; with 1
// no goroutine is started.
func (l *Log) StateBelow(ctx context.Context, claim Number, parallel int) (*State, error) {
	e, err := l.Read(ctx, claim)
	if err != nil {
		return nil, err
	}
	if e.Claim == nil {
		return nil, fmt.Errorf("restore below control log number %d: it is not a claim", claim)
	}
	return l.StateAt(ctx, e.Claim.Restores, parallel)
}

// StateAt returns what manifest n and all before it say; the empty beginning for zero.
func (l *Log) StateAt(ctx context.Context, n Number, parallel int) (*State, error) {
	s := l.app.NewState()
	if n == 0 {
		return s, nil
	}
	last, err := l.readManifest(ctx, n)
	if err != nil {
		return nil, err
	}
	first := last.FullNumber
	if n-first >= FullEvery {
		return nil, damaged(logKey(l.app.Name, n), 0, "it rests on full manifest %d, more than %d back", first, FullEvery-1)
	}
	chain := make([]*Manifest, n-first+1)
	chain[n-first] = last
	if err := l.readChain(ctx, first, chain[:n-first], max(1, parallel)); err != nil {
		return nil, err
	}
	if !chain[0].Full {
		return nil, damaged(logKey(l.app.Name, n), 0, "it rests on manifest %d, which is not full", first)
	}
	for i, m := range chain {
		if err := s.Apply(first+Number(i), m); err != nil { //nolint:gosec // less than FullEvery
			return nil, err
		}
	}
	return s, nil
}

// readChain fills chain with the manifests from number first on. Within a reign, manifests have
// numbers without gaps, and a full one begins the reign.
func (l *Log) readChain(ctx context.Context, first Number, chain []*Manifest, parallel int) error {
	if parallel == 1 {
		for i := range chain {
			m, err := l.readManifest(ctx, first+Number(i)) //nolint:gosec // less than FullEvery
			if err != nil {
				return err
			}
			chain[i] = m
		}
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range chain {
		g.Go(func() (err error) {
			chain[i], err = l.readManifest(ctx, first+Number(i)) //nolint:gosec // less than FullEvery
			return err
		})
	}
	return g.Wait()
}

func (l *Log) readManifest(ctx context.Context, n Number) (*Manifest, error) {
	e, err := l.Read(ctx, n)
	if err != nil {
		return nil, err
	}
	if e.Manifest == nil {
		return nil, damaged(logKey(l.app.Name, n), 0, "it is a claim where a manifest was expected")
	}
	return e.Manifest, nil
}

// Resume says from where a shard goes on: After is the checkpoint that its disk or base holds, zero
// for an empty shard.
type Resume struct {
	Shard core.ShardID
	After core.CheckpointID
}

// ReadNewer reads what the given shards lack, in the order of checkpoints, and hands each section to
// use, which owns it; adjoining ranges of a segment are read in one request. Shards that are to be
// restored at the same time take a call each, from goroutines of the caller. A shard whose base is
// newer than After is an error: it must be restored from its base first.
func (a *Application) ReadNewer(ctx context.Context, s *State, shards []Resume, use func(core.ShardID, core.CheckpointID, *Section) error) error {
	if err := checkResumes(s, shards); err != nil {
		return err
	}
	wanted := make([]core.ShardID, 0, len(shards))
	for _, seg := range s.Segments {
		wanted = wanted[:0]
		for _, r := range shards {
			if seg.Checkpoint > r.After {
				wanted = append(wanted, r.Shard)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		err := a.ReadSections(ctx, seg, wanted, func(shard core.ShardID, section *Section) error {
			return use(shard, seg.Checkpoint, section)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func checkResumes(s *State, shards []Resume) error {
	for _, r := range shards {
		if b := s.Bases[r.Shard]; b != nil && b.Checkpoint > r.After {
			return fmt.Errorf("restore shard %d: it holds checkpoint %d, its base in the bucket is of %d: sections between are gone", r.Shard, r.After, b.Checkpoint)
		}
	}
	return nil
}
