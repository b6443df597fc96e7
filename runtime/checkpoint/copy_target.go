package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stateway/stateway/runtime/core"
)

// findTarget finds the end of the target's log, which must be fit to take the application. Begin says that an arrival is to be appended; otherwise it goes
// on with that of a copy that was interrupted.
func (c *copier) findTarget(ctx context.Context) (begin bool, err error) {
	log := c.dst.Log()
	tail, err := log.FindTail(ctx, 0)
	if err != nil {
		return false, err
	}
	c.reign = log.NewReign(tail)
	if tail.Number == 0 {
		return true, nil
	}
	leader, err := log.Leader(ctx, tail)
	if errors.Is(err, ErrCut) {
		return false, c.taken()
	}
	if err != nil {
		return false, err
	}
	switch {
	case leader.Departure != nil && !c.opt.Fork:
		return true, nil // it comes back to where it was
	case leader.Arrival != nil && leader.Arrival.From == c.opt.From && leader.Arrival.To == c.opt.To:
		c.arrival = *leader.Arrival
		c.reign.lineage = Lineage{Generation: core.Generation(leader.Number), Nonce: leader.Arrival.Nonce}
		return false, nil
	case leader.Arrival != nil:
		return true, nil // a copy from elsewhere was given up
	case leader.Claim != nil && c.opt.Fork && !c.there:
		return true, nil // a fork that lacks its application only: a newer state replaces what it has
	}
	return false, c.taken()
}

func (c *copier) taken() error {
	return fmt.Errorf("%w: %s: a copy goes to a bucket, or a prefix, that holds no %s", ErrTaken, c.src.Name, c.src.Name)
}

// openTarget opens the target's application, or makes one that is not in the bucket yet.
func (c *copier) openTarget(ctx context.Context) error {
	a, err := OpenApplication(ctx, c.bucket, c.src.Name, c.opt.Options)
	switch {
	case err == nil && (c.opt.Fork || a.ID != c.src.ID):
		return c.taken()
	case err == nil:
		c.dst, c.there = a, true
		return nil
	case !errors.Is(err, ErrNotFound):
		return err
	}
	c.dst = &Application{Name: c.src.Name, ID: c.src.ID, Shards: c.src.Shards, bucket: c.bucket, opt: c.opt.Options}
	first, err := c.bucket.Read(ctx, logKey(c.src.Name, 1))
	if errors.Is(err, ErrNotFound) {
		return c.openEmpty(ctx)
	}
	if err != nil {
		return err
	}
	id, err := c.interrupted(first)
	if err != nil {
		return err
	}
	c.dst.ID = id
	return nil
}

// openEmpty checks that there is nothing in the target, and draws the id of a fork.
func (c *copier) openEmpty(ctx context.Context) error {
	keys, err := c.bucket.List(ctx, c.src.Name+"/", "", 1)
	if err != nil {
		return err
	}
	if len(keys) > 0 {
		return fmt.Errorf("%w: there is %s, and no application", ErrTaken, keys[0])
	}
	if c.opt.Fork {
		if _, err := io.ReadFull(c.opt.Random, c.dst.ID[:]); err != nil {
			return fmt.Errorf("draw the id of the copy: %w", err)
		}
	}
	return nil
}

// interrupted reads the id under which an interrupted copy began, from the first entry of its log.
func (c *copier) interrupted(first []byte) (id core.ApplicationID, err error) {
	if len(first) < 25 {
		return id, c.taken()
	}
	copy(id[:], first[9:25])
	e, err := decodeEntry(logKey(c.src.Name, 1), first, id, 1)
	if err != nil {
		return id, err
	}
	if e.Arrival == nil || (id == c.src.ID) == c.opt.Fork {
		return id, c.taken()
	}
	return id, nil
}

// arrive begins the generation in the target that holds the copy.
func (c *copier) arrive(ctx context.Context) error {
	random, err := drawNonce(c.opt.Random)
	if err != nil {
		return err
	}
	c.arrival = Move{Nonce: random, Time: wallClock(), From: c.opt.From, To: c.opt.To}
	return appendSettled(ctx, c.reign, Entry{Arrival: &c.arrival})
}
