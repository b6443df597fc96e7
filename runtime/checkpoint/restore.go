package checkpoint

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
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
