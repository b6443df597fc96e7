package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

var (
	// ErrDeposed: another's object is at the number that was to be ours, or the log was cut behind us.
	// The reign is over. Whoever wants to lead again finds the tail and begins a new one.
	ErrDeposed = errors.New("deposed: another process appended to the control log")
	// ErrPending: it is not known yet whose bytes a number holds. Call Settle until it is.
	ErrPending = errors.New("outcome of the last append to the control log is not known")
)

// proofLasts is how long after the start of the last proven append a create that succeeds proves that
// nobody appended since: well below the 24 hours for which the log is kept.
const proofLasts = time.Hour

// Reign appends to the control log: a claim, then manifests, until it is deposed; or the entries of a move. It belongs to one
// goroutine.
//
//	tail, err := log.FindTail(ctx, hint)
//	reign := log.NewReign(tail)
//	claim, err := reign.Append(ctx, checkpoint.Entry{Claim: …}) // claim.Number is the generation
//	state, err := log.StateBelow(ctx, claim.Number, 8)
//	m, err := state.Next(commit, reign.Lineage())
//	e, err := reign.Append(ctx, checkpoint.Entry{Manifest: m})
//	err = state.Apply(e.Number, e.Manifest)
//
// A second claim after the first begins a new generation of the same process, as after a worker's loss.
type Reign struct {
	log *Log

	tail     Number        // the last entry that is known: another's, or the last that we won
	age      time.Duration // of that entry
	seen     time.Duration // the clock at a moment at which it existed
	proven   time.Duration // the clock at a moment at which nothing was above it
	watched  time.Duration // the same, also of looks that found nothing
	restores Number        // the last manifest at or below tail
	lineage  Lineage       // zero before the first claim has won

	pending *pendingEntry // nil if all outcomes are known
	deposed bool
}

type pendingEntry struct {
	entry *Entry
	body  []byte        // never others at this number
	tried bool          // at least one create was begun
	start time.Duration // the clock at the first
}

// NewReign begins above tail.
func (l *Log) NewReign(tail Tail) *Reign {
	r := &Reign{log: l, tail: tail.Number, seen: tail.seen, proven: tail.looked, watched: tail.looked, restores: tail.Restores}
	if tail.Entry != nil {
		r.age = tail.Entry.Age
	}
	return r
}

// Lineage is that of the last claim that won; its generation is zero before.
func (r *Reign) Lineage() Lineage { return r.lineage }

// Tail is the last number that is known to exist.
func (r *Reign) Tail() Number { return r.tail }

// Pending reports whether the outcome of an append is open. Then nothing is aborted or collected.
func (r *Reign) Pending() bool { return r.pending != nil }

// Deposed reports whether the reign is over.
func (r *Reign) Deposed() bool { return r.deposed }

// Age is the log's age by now, as a next entry would carry it.
func (r *Reign) Age() time.Duration {
	return r.age + max(0, r.log.app.opt.Clock()-r.seen).Truncate(time.Millisecond)
}

// Append appends a claim or a manifest at the number behind the tail and returns the entry as it
// stands in the log. Errors: ErrDeposed ends the reign; of an entry whose earlier outcome was unknown
// it does not say that it is not in the log, for others may have appended above it. After any other
// error, if Pending is true, the number may hold our bytes or not: call Settle, again and again,
// before anything else. If Pending is false, the error says why nothing was tried.
func (r *Reign) Append(ctx context.Context, e Entry) (*Entry, error) {
	if r.deposed {
		return nil, ErrDeposed
	}
	if r.pending != nil {
		return nil, fmt.Errorf("append control log number %d: number %d: %w", r.tail+2, r.tail+1, ErrPending)
	}
	stamped, err := r.stamp(e)
	if err != nil {
		return nil, fmt.Errorf("append control log number %d: %w", r.tail+1, err)
	}
	r.pending = &pendingEntry{entry: stamped, body: stamped.encode(r.log.app.ID)}
	return r.Settle(ctx)
}

// stamp fills in what only the reign knows.
func (r *Reign) stamp(e Entry) (*Entry, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	e.Number, e.Age = r.tail+1, r.Age()
	switch {
	case e.Claim != nil:
		c := *e.Claim
		c.Restores = r.restores
		e.Claim = &c
		return &e, nil
	case e.Departure != nil:
		d := *e.Departure
		d.Restores = r.restores
		e.Departure = &d
		return &e, nil
	case e.Arrival != nil:
		a := *e.Arrival
		a.Restores = r.restores
		e.Arrival = &a
		return &e, nil
	}
	m := *e.Manifest
	e.Manifest = &m
	if m.Lineage != r.lineage || m.Lineage.Generation == 0 {
		return nil, fmt.Errorf("manifest of generation %d in generation %d", m.Lineage.Generation, r.lineage.Generation)
	}
	if m.Prev != r.restores {
		return nil, fmt.Errorf("manifest follows number %d, the last one is %d", m.Prev, r.restores)
	}
	if m.Full {
		e.Manifest.FullNumber = e.Number
	}
	return &e, nil
}

// Settle finds out what became of the last append, trying the same bytes at the same number again.
// Without a pending append it returns nil, nil.
func (r *Reign) Settle(ctx context.Context) (*Entry, error) {
	if r.deposed {
		return nil, ErrDeposed
	}
	if r.pending == nil {
		return nil, nil
	}
	p := r.pending
	if r.stale() {
		won, err := r.look(ctx)
		if err != nil {
			return nil, r.unsettled(err)
		}
		if won {
			return r.win(), nil
		}
	}
	if !p.tried {
		p.tried, p.start = true, r.log.app.opt.Clock()
	}
	err := r.create(ctx)
	if err == nil && r.stale() {
		// It succeeded, but so late that the log may have been cut behind us.
		won, lookErr := r.look(ctx)
		if lookErr == nil && !won {
			lookErr = damaged(logKey(r.log.app.Name, p.entry.Number), 0, "it was created and is not there")
		}
		err = lookErr
	}
	if err != nil {
		return nil, r.unsettled(err)
	}
	return r.win(), nil
}

// unsettled passes an error on. The entry stays pending, unless nothing was tried or all is over.
func (r *Reign) unsettled(err error) error {
	p := r.pending
	if errors.Is(err, ErrDeposed) {
		r.deposed, r.pending = true, nil
	} else if !p.tried {
		r.pending = nil
	}
	return fmt.Errorf("append control log number %d: %w", p.entry.Number, err)
}

// stale reports whether a create that succeeds now proves too little.
func (r *Reign) stale() bool { return r.log.app.opt.Clock()-r.proven >= proofLasts }

// create creates the pending entry; nil means that the number holds our bytes.
func (r *Reign) create(ctx context.Context) error {
	key := logKey(r.log.app.Name, r.pending.entry.Number)
	err := r.log.app.bucket.Create(ctx, key, r.pending.body)
	if err != nil && !errors.Is(err, ErrExists) {
		// The answer may be lost. Trying the same again tells, and makes sure that it is durable.
		err = r.log.app.bucket.Create(ctx, key, r.pending.body)
	}
	if errors.Is(err, ErrExists) {
		return r.compare(ctx)
	}
	return err
}

// compare reads back what stands at the pending number: nil if it is what we tried.
func (r *Reign) compare(ctx context.Context) error {
	b, err := r.log.app.bucket.Read(ctx, logKey(r.log.app.Name, r.pending.entry.Number))
	if errors.Is(err, ErrNotFound) {
		return ErrDeposed // taken, and gone since: the log was cut
	}
	if err != nil {
		return err
	}
	if !r.pending.tried || !bytes.Equal(b, r.pending.body) {
		return ErrDeposed
	}
	return nil
}

// look searches for higher numbers. It returns true if the pending entry is the log's last, false if
// its number is still free, and ErrDeposed if there is anything else.
func (r *Reign) look(ctx context.Context) (won bool, err error) {
	began := r.log.app.opt.Clock()
	n, err := r.log.searchTail(ctx, r.tail)
	if err != nil {
		return false, err
	}
	switch n {
	case r.tail:
		r.proven = began
		return false, nil
	case r.pending.entry.Number:
		if err := r.compare(ctx); err != nil {
			return false, err
		}
		r.proven = began
		return true, nil
	}
	if n < r.tail {
		return false, damaged(logKey(r.log.app.Name, r.tail), 0, "number %d is the last that can be found: entries were removed", n)
	}
	return false, ErrDeposed
}

func (r *Reign) win() *Entry {
	p := r.pending
	r.pending = nil
	r.tail, r.age, r.seen = p.entry.Number, p.entry.Age, r.log.app.opt.Clock()
	r.proven = max(r.proven, p.start)
	r.watched = max(r.watched, r.proven)
	r.restores = p.entry.last()
	if c := p.entry.Claim; c != nil {
		r.lineage = Lineage{Generation: core.Generation(p.entry.Number), Nonce: c.Nonce}
	}
	if a := p.entry.Arrival; a != nil {
		r.lineage = Lineage{Generation: core.Generation(p.entry.Number), Nonce: a.Nonce}
	}
	return p.entry
}

// Look is one look at the number behind a log's tail, as an idle leader and a process that waits to lead take it once per lease time. It
// costs one request: an entry is kept for 24 hours at least, so as long as less than an hour has passed since nothing was above the
// tail, a number that is missing cannot have been cut off, and the folder that would tell so need not be looked at.
type Look struct {
	log    *Log
	number Number
	since  time.Duration // the clock at a moment at which nothing was at the number
}

// Looked is what a Look saw.
type Looked struct {
	Number  Number        // that was looked at
	Reached bool          // the log has reached it
	began   time.Duration // the clock when the look began
}

// NextLook is a look behind the tail; after one that found nothing, give that too, so that the next is as cheap.
func (l *Log) NextLook(t Tail, before Looked) Look {
	k := Look{log: l, number: t.Number + 1, since: t.looked}
	if before.Number == k.number && !before.Reached {
		k.since = max(k.since, before.began)
	}
	return k
}

// Do looks. It may be called on any goroutine.
func (k Look) Do(ctx context.Context) (Looked, error) {
	clock := k.log.app.opt.Clock
	seen := Looked{Number: k.number, began: clock()}
	_, err := k.log.app.bucket.ReadRange(ctx, logKey(k.log.app.Name, k.number), 0, 1)
	switch {
	case err == nil || errors.Is(err, ErrRange):
		seen.Reached = true
		return seen, nil
	case !errors.Is(err, ErrNotFound):
		return seen, fmt.Errorf("look for control log number %d: %w", k.number, err)
	case clock()-k.since < proofLasts:
		return seen, nil
	}
	seen.Reached, err = k.log.folderCut(ctx, k.number.Folder())
	return seen, err
}

// Look is the look that a leader takes now, on any goroutine; false while the outcome of an append is open, which will tell more, and
// when the reign is over. Give what it saw to Saw.
func (r *Reign) Look() (Look, bool) {
	return Look{log: r.log, number: r.tail + 1, since: r.watched}, r.pending == nil && !r.deposed
}

// Saw takes what a look of this reign saw: ErrDeposed if somebody else appended. What the reign has won since is its own, and
// the outcome of what it has begun to append since is not a look's to tell.
func (r *Reign) Saw(k Looked) error {
	switch {
	case r.deposed:
		return ErrDeposed
	case k.Number != r.tail+1 || r.pending != nil:
		return nil
	case k.Reached:
		r.deposed = true
		return fmt.Errorf("control log number %d: %w", k.Number, ErrDeposed)
	}
	r.watched = max(r.watched, k.began)
	return nil
}

// Check looks at the log's next number, on the reign's goroutine: ErrDeposed if
// somebody else appended. With a pending append it does nothing.
func (r *Reign) Check(ctx context.Context) error {
	if r.deposed {
		return ErrDeposed
	}
	look, ok := r.Look()
	if !ok {
		return nil
	}
	seen, err := look.Do(ctx)
	if err != nil {
		return err
	}
	return r.Saw(seen)
}
