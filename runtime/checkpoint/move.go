package checkpoint

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/stateway/stateway/runtime/core"
)

// ErrMoved means that the application does not start from this log: it went to another bucket, or has not wholly come from one. It is
// an ErrApplication, too: an operator has to decide, and the error says between what.
var ErrMoved = errors.New("application was moved")

// Move is how an application goes from one bucket to another, as two entries tell it. An Arrival is the target's: it begins a generation
// whose manifests are copies of the source's last one, and from which nothing starts until the source has ended. A Departure with the same
// nonce ends the source. So the one create of the departure takes the application from the source and gives it to the target.
type Move struct {
	Nonce    uint64      // of the move, random
	Time     core.Millis // the copier's wall clock, for people
	Restores Number      // the last manifest below; zero if there is none. Set by Reign.
	From, To string      // URLs of the buckets
}

const maxURL = 4096

func (m *Move) validate() error {
	if len(m.From) > maxURL || len(m.To) > maxURL {
		return fmt.Errorf("the buckets' URLs have %d and %d bytes, at most %d", len(m.From), len(m.To), maxURL)
	}
	return nil
}

func (m *Move) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, m.Nonce)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Time)) //nolint:gosec // two's complement
	b = binary.AppendUvarint(b, uint64(m.Restores))
	b = appendString(b, m.From)
	return appendString(b, m.To)
}

func decodeMove(d *decoder, n Number) *Move {
	m := &Move{Nonce: d.uint64("move's nonce"), Time: core.Millis(d.uint64("time"))} //nolint:gosec // two's complement
	m.Restores = Number(d.below(uint64(n), "restore point"))
	m.From = d.string("bucket that the application comes from")
	m.To = d.string("bucket that the application goes to")
	if err := m.validate(); err != nil {
		d.fail("%v", err)
	}
	return m
}

// Generation is the generation under which the entry was appended: its own number if it begins one. A departure is of none.
func (e *Entry) Generation() core.Generation {
	switch {
	case e.Manifest != nil:
		return e.Manifest.Lineage.Generation
	case e.Departure != nil:
		return 0
	}
	return core.Generation(e.Number)
}

// Leader reads the entry under which the tail's was appended: a claim, or the entry of a move; nil if the log is empty. The error wraps ErrCut
// if it was cut off.
func (l *Log) Leader(ctx context.Context, t Tail) (*Entry, error) {
	if t.Entry == nil || t.Entry.Manifest == nil {
		return t.Entry, nil
	}
	return l.Read(ctx, Number(t.Entry.Manifest.Lineage.Generation))
}

// OpenBucket opens a bucket by the URL that a Move names.
type OpenBucket func(ctx context.Context, url string) (Bucket, error)

// Startable says whether a process may claim above a log whose Leader is leader: nil if it may, or must wait as for any other leader. An
// ErrMoved says where the application starts instead. Of an arrival that was not seen to its end it looks at the source, which open opens: if that
// has ended, the application starts here. Nil for open leaves such an application to whoever repeats the copy.
func (l *Log) Startable(ctx context.Context, leader *Entry, open OpenBucket) error {
	switch {
	case leader == nil:
		return nil
	case leader.Departure != nil:
		m := leader.Departure
		return fmt.Errorf("%w: %w: %s went from here to %s (control log number %d): start it there; should the copy have been interrupted, "+
			"repeat it first: stateway checkpoint copy %s %s --application %s; to go on from here with a copy under an id of its own, use checkpoint copy --fork",
			ErrApplication, ErrMoved, l.app.Name, m.To, leader.Number, m.From, m.To, l.app.Name)
	case leader.Arrival == nil:
		return nil
	}
	m := leader.Arrival
	why := errors.New("the copy has not come to its end")
	if open != nil {
		ended, err := l.departed(ctx, m, open)
		if ended {
			return nil
		}
		if err != nil {
			why = err
		}
	}
	return fmt.Errorf("%w: %w: %s is on its way from %s to here (control log number %d): %w; repeat stateway checkpoint copy %s %s --application %s, which goes on where it was",
		ErrApplication, ErrMoved, l.app.Name, m.From, leader.Number, why, m.From, m.To, l.app.Name)
}

// departed reports whether the source of an arrival has ended with the departure that belongs to it.
func (l *Log) departed(ctx context.Context, m *Move, open OpenBucket) (bool, error) {
	b, err := open(ctx, m.From)
	if err != nil {
		return false, fmt.Errorf("look whether it has ended at %s: %w", m.From, err)
	}
	source, err := OpenApplication(ctx, b, l.app.Name, l.app.opt)
	if err != nil {
		return false, fmt.Errorf("look whether it has ended at %s: %w", m.From, err)
	}
	tail, err := source.Log().FindTail(ctx, 0)
	if err != nil {
		return false, fmt.Errorf("look whether it has ended at %s: %w", m.From, err)
	}
	return source.ID == l.app.ID && tail.Entry != nil && tail.Entry.Departure != nil && tail.Entry.Departure.Nonce == m.Nonce, nil
}
