package checkpoint

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

// ErrTaken means that a copy's target holds an application already.
var ErrTaken = errors.New("the target holds an application of this name already")

// CopyOptions say what Copy does. From, To and Await are required, Await only without Fork.
type CopyOptions struct {
	Options
	// From and To are the buckets' URLs, for the entries of a move.
	From, To string
	// Fork copies an application under a new id and leaves the source as it is. Otherwise it moves.
	Fork bool
	// Parallel is how many objects are copied at a time, each in memory if it is a segment. Zero means one, without a goroutine.
	Parallel int
	// Await returns the tail of the source's log once a process may claim above it, as a node waits for it.
	Await func(context.Context, *Log) (Tail, error)
	// Copied, if not nil, is told of every object that was copied, from any goroutine.
	Copied func(bytes int64)
}

// Copied is what a copy did.
type Copied struct {
	ID         core.ApplicationID // of the application in the target
	Source     core.CheckpointID  // that was copied
	Checkpoint core.CheckpointID  // that the target starts from
	Generation core.Generation    // of the target that holds it
	Report     Report             // of everything in the target
}

// epochsBegun is how many epochs a source may have begun behind its last checkpoint: the one that a next checkpoint would end, and the one after
// it. The target's first checkpoint counts these as over, so that ids that have left with records of theirs are not given again.
const epochsBegun = 2

// Copy copies what the newest manifest of application name refers to into another bucket, and then moves the application there, or with Fork makes
// another application of it. After an error, or a crash at any moment, repeat it: it goes on where it was. Whatever fails, the application
// starts in one of the two buckets and not in both.
//
// A move claims in the source, which deposes who leads there, so that nothing is committed any more. It begins a generation in the target with an
// Arrival, from which nobody starts; copies; checks everything in the target; and ends the source with a Departure: that one create is
// the move. A claim in the target spares those who start there the look at the source.
func Copy(ctx context.Context, from, to Bucket, name string, opt CopyOptions) (Copied, error) {
	src, err := OpenApplication(ctx, from, name, opt.Options)
	if err != nil {
		return Copied{}, fmt.Errorf("copy from %s: %w", opt.From, err)
	}
	c := &copier{opt: opt, src: src, bucket: to}
	if opt.Fork {
		return c.fork(ctx)
	}
	return c.move(ctx)
}

// copier is one run of Copy.
type copier struct {
	opt    CopyOptions
	src    *Application
	bucket Bucket // the target

	dst     *Application
	there   bool   // the target's application object exists
	reign   *Reign // in the target
	arrival Move   // under which the target's objects are named
}

func (c *copier) move(ctx context.Context) (Copied, error) {
	if err := c.openTarget(ctx); err != nil {
		return Copied{}, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	tail, err := c.src.Log().FindTail(ctx, 0)
	if err != nil {
		return Copied{}, fmt.Errorf("copy from %s: %w", c.opt.From, err)
	}
	if tail.Entry != nil && tail.Entry.Departure != nil {
		return c.finish(ctx, tail.Entry)
	}
	begin, err := c.findTarget(ctx)
	if err != nil {
		return Copied{}, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	restores, reign, err := c.leaveSource(ctx)
	if err != nil {
		return Copied{}, fmt.Errorf("copy from %s: %w", c.opt.From, err)
	}
	if begin {
		err = c.arrive(ctx)
	}
	if err != nil {
		return Copied{}, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	state, err := c.src.Log().StateAt(ctx, restores, max(1, c.opt.Parallel))
	if err != nil {
		return Copied{}, fmt.Errorf("copy from %s: %w", c.opt.From, err)
	}
	done, err := c.copyState(ctx, state)
	if err != nil {
		return done, err
	}
	if err := c.createApplication(ctx); err != nil {
		return done, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	departure := c.arrival
	if err := appendSettled(ctx, reign, Entry{Departure: &departure}); err != nil {
		return done, fmt.Errorf("end the log of %s: %w", c.opt.From, err)
	}
	return done, c.claim(ctx)
}

// finish goes on where a copy was interrupted behind the end of the source: in the target all is there.
func (c *copier) finish(ctx context.Context, end *Entry) (Copied, error) {
	log := c.dst.Log()
	tail, err := log.FindTail(ctx, 0)
	if err != nil {
		return Copied{}, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	if !c.there || end.Departure.To != c.opt.To || tail.Number == 0 {
		return Copied{}, c.src.Log().Startable(ctx, end, nil)
	}
	leader, err := log.Leader(ctx, tail)
	if err != nil && !errors.Is(err, ErrCut) {
		return Copied{}, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	done := Copied{ID: c.dst.ID}
	if err != nil || leader.Claim != nil {
		return done, nil // it has started there already
	}
	if leader.Arrival == nil || leader.Arrival.Nonce != end.Departure.Nonce {
		return done, c.src.Log().Startable(ctx, end, nil)
	}
	state, err := log.StateAt(ctx, tail.Restores, max(1, c.opt.Parallel))
	if err != nil {
		return done, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	done.Source, done.Checkpoint, done.Generation = state.Checkpoint-epochsBegun, state.Checkpoint, state.Lineage.Generation
	c.reign = log.NewReign(tail)
	return done, c.claim(ctx)
}

// leaveSource claims in the source, once it may, and returns the restore point.
func (c *copier) leaveSource(ctx context.Context) (Number, *Reign, error) {
	log := c.src.Log()
	tail, err := c.opt.Await(ctx, log)
	if err == nil && tail.Restores == 0 {
		err = errNothing
	}
	if err != nil {
		return 0, nil, err
	}
	random, err := drawNonce(c.opt.Random)
	if err != nil {
		return 0, nil, err
	}
	reign := log.NewReign(tail)
	return tail.Restores, reign, appendSettled(ctx, reign, Entry{Claim: &Claim{Nonce: random, Time: wallClock()}})
}

var errNothing = fmt.Errorf("%w: nothing was committed yet: there is nothing to copy", ErrApplication)

// settleTries is how often an append whose outcome is unknown is tried again at once.
const settleTries = 5

// appendSettled appends until the outcome is known, or settleTries is over.
func appendSettled(ctx context.Context, r *Reign, e Entry) error {
	_, err := r.Append(ctx, e)
	for range settleTries {
		if err == nil || !r.Pending() || ctx.Err() != nil {
			break
		}
		_, err = r.Settle(ctx)
	}
	return err
}

// claim ends the arrival in the target.
func (c *copier) claim(ctx context.Context) error {
	random, err := drawNonce(c.opt.Random)
	if err == nil {
		err = appendSettled(ctx, c.reign, Entry{Claim: &Claim{Nonce: random, Time: wallClock()}})
	}
	if err != nil && !c.opt.Fork {
		return fmt.Errorf("the application starts at %s from now on; claim there: %w", c.opt.To, err)
	}
	return err
}

func (c *copier) fork(ctx context.Context) (Copied, error) {
	err := c.openTarget(ctx)
	begin := false
	if err == nil {
		begin, err = c.findTarget(ctx)
	}
	if err == nil && begin {
		err = c.arrive(ctx)
	}
	if err != nil {
		return Copied{}, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	done, err := c.copyNewest(ctx)
	if err != nil {
		return done, err
	}
	if err := c.claim(ctx); err != nil {
		return done, fmt.Errorf("copy to %s: %w", c.opt.To, err)
	}
	return done, c.createApplication(ctx)
}

// forkTries is how often a checkpoint whose objects go while they are copied is given up for a newer one: a source that goes on collects them.
const forkTries = 8

// copyNewest copies the newest checkpoint of a source that may go on.
func (c *copier) copyNewest(ctx context.Context) (Copied, error) {
	log, last := c.src.Log(), Number(0)
	for try := 1; ; try++ {
		tail, err := log.FindTail(ctx, last)
		if err == nil && tail.Restores == 0 {
			err = errNothing
		}
		if err != nil {
			return Copied{}, fmt.Errorf("copy from %s: %w", c.opt.From, err)
		}
		state, err := log.StateAt(ctx, tail.Restores, max(1, c.opt.Parallel))
		if err != nil {
			return Copied{}, fmt.Errorf("copy from %s: %w", c.opt.From, err)
		}
		done, err := c.copyState(ctx, state)
		if !errors.Is(err, ErrDamaged) || tail.Restores == last || try == forkTries {
			return done, err
		}
		last = tail.Restores
	}
}

// createApplication makes the target an application, the last of what it needs.
func (c *copier) createApplication(ctx context.Context) error {
	if c.there {
		return nil
	}
	err := c.bucket.Create(ctx, applicationKey(c.dst.Name), c.dst.encode())
	if err != nil && errors.Is(err, ErrUnknownOutcome) {
		err = c.bucket.Create(ctx, applicationKey(c.dst.Name), c.dst.encode())
	}
	if err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	a, err := OpenApplication(ctx, c.bucket, c.dst.Name, c.opt.Options)
	if err == nil && a.ID != c.dst.ID {
		err = ErrTaken
	}
	return err
}

func drawNonce(r io.Reader) (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, fmt.Errorf("draw a nonce: %w", err)
	}
	return binary.BigEndian.Uint64(b[:]), nil
}

// wallClock is for people who read the log.
func wallClock() core.Millis { return core.Millis(time.Now().UnixMilli()) }
