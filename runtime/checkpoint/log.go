package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrCut means that the log was cut behind this number, so that its tail is far higher. Find the tail again.
var ErrCut = errors.New("control log was cut behind this number")

// Log is the control log of an application: claims and manifests in one sequence of numbers. Its
// methods only read; entries are appended by a Reign. Safe for concurrent use.
type Log struct {
	app *Application
}

// Log returns the application's control log.
func (a *Application) Log() *Log { return &Log{app: a} }

// Tail is the last entry of the log at some moment, as FindTail saw it.
type Tail struct {
	Number   Number // zero if the log is empty
	Entry    *Entry // nil if the log is empty
	Restores Number // the last manifest at or below Number; zero if there is none

	looked time.Duration // the clock when the search began
	seen   time.Duration // the clock when the entry had been read
}

// Read reads entry n. The error wraps ErrNotFound if the log does not reach n yet, ErrCut if n was cut off.
func (l *Log) Read(ctx context.Context, n Number) (*Entry, error) {
	key := logKey(l.app.Name, n)
	b, err := l.app.bucket.Read(ctx, key)
	if errors.Is(err, ErrNotFound) {
		// In this order: a folder's marker exists before the first of its entries is gone.
		cut, cutErr := l.folderCut(ctx, n.Folder())
		if cutErr != nil {
			return nil, cutErr
		}
		if cut {
			return nil, fmt.Errorf("read control log number %d: %w", n, ErrCut)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read control log number %d: %w", n, err)
	}
	e, err := decodeEntry(key, b, l.app.ID, n)
	if err != nil {
		return nil, fmt.Errorf("read control log number %d: %w", n, err)
	}
	return e, nil
}

// Newest reads up to limit entries from n downwards, the newest first. It ends where the log was cut
// off or began.
func (l *Log) Newest(ctx context.Context, n Number, limit int) ([]*Entry, error) {
	var entries []*Entry
	for ; n > 0 && len(entries) < limit; n-- {
		e, err := l.Read(ctx, n)
		if errors.Is(err, ErrCut) {
			break
		}
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// folderCut reports whether a folder of the log was cut off: then an object stands in its place.
func (l *Log) folderCut(ctx context.Context, folder uint64) (bool, error) {
	_, err := l.app.bucket.Read(ctx, folderKey(l.app.Name, folder))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look whether folder %d of the control log was cut: %w", folder, err)
	}
	return true, nil
}

// reached reports whether the log has ever reached n. Once true it stays true, and it is true for all
// lower numbers, so that the tail can be found by bisection, without trust in a list.
func (l *Log) reached(ctx context.Context, n Number) (bool, error) {
	_, err := l.app.bucket.ReadRange(ctx, logKey(l.app.Name, n), 0, 1)
	switch {
	case err == nil || errors.Is(err, ErrRange):
		return true, nil // an empty entry is damage, which reading it will report
	case errors.Is(err, ErrNotFound):
		return l.folderCut(ctx, n.Folder())
	}
	return false, fmt.Errorf("look for control log number %d: %w", n, err)
}

// FindTail finds the last entry. Hint is a number that the log is believed to have reached, zero
// without one; a wrong hint costs time only. Numbers are probed: doubling steps, then bisection.
func (l *Log) FindTail(ctx context.Context, hint Number) (Tail, error) {
	t := Tail{looked: l.app.opt.Clock()}
	for {
		n, err := l.searchTail(ctx, hint)
		if err != nil || n == 0 {
			t.seen = t.looked
			return t, err
		}
		t.Number = n
		t.Entry, err = l.Read(ctx, n)
		if errors.Is(err, ErrCut) {
			hint = n // the log has run away meanwhile
			continue
		}
		if err != nil {
			return Tail{}, err
		}
		t.seen = l.app.opt.Clock()
		t.Restores = t.Entry.last()
		return t, nil
	}
}

// last is the last manifest at or below the entry.
func (e *Entry) last() Number {
	switch {
	case e.Claim != nil:
		return e.Claim.Restores
	case e.Departure != nil:
		return e.Departure.Restores
	case e.Arrival != nil:
		return e.Arrival.Restores
	}
	return e.Number
}

func (l *Log) searchTail(ctx context.Context, hint Number) (Number, error) {
	low := Number(0) // reached
	if hint > 0 {
		ok, err := l.reached(ctx, hint)
		if err != nil {
			return 0, err
		}
		if ok {
			low = hint
		}
	}
	step := Number(1)
	for {
		ok, err := l.reached(ctx, low+step)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		low += step
		step *= 2
	}
	high := low + step // not reached
	for high-low > 1 {
		mid := low + (high-low)/2
		ok, err := l.reached(ctx, mid)
		if err != nil {
			return 0, err
		}
		if ok {
			low = mid
		} else {
			high = mid
		}
	}
	return low, nil
}

// Oldest returns the lowest number that was not cut off. The log may be shorter still.
func (l *Log) Oldest(ctx context.Context) (Number, error) {
	folder, err := l.oldestFolder(ctx, 0)
	return max(1, Number(folder*FolderNumbers)), err
}

// oldestFolder is the first folder from low on that was not cut off; all below low were.
func (l *Log) oldestFolder(ctx context.Context, low uint64) (uint64, error) {
	step := uint64(1)
	for {
		cut, err := l.folderCut(ctx, low+step-1)
		if err != nil {
			return 0, err
		}
		if !cut && step == 1 {
			return low, nil
		}
		if !cut {
			step = 1
			continue
		}
		low += step
		step *= 2
	}
}
