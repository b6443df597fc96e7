package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

const (
	keepLog     = 24 * time.Hour // least Age for which an entry of the log is kept
	rescanAfter = time.Hour      // between two searches for objects of older generations
)

// Collector deletes what nothing needs any more, in small steps. One belongs to one reign, and to one goroutine at a time, which need
// not be the reign's. It deletes a segment or base file only if the newest committed manifest does not refer to it and either its
// name carries an older generation, or this reign retired it itself.
//
// The caller must not call Collect or Step while a node of this generation still restores from an older
// manifest, for what that refers to may have been retired since.
type Collector struct {
	app     *Application
	retired []string // committed as retired by this reign, not deleted yet

	scan    []string // prefixes that are still to be searched
	after   string   // where the search in scan[0] goes on
	scanned time.Duration

	folder    uint64         // the log's oldest folder, as far as known
	folderAge *time.Duration // Age of that folder's last entry, once read
	keepWhole bool           // the bucket cannot delete folders
}

// Collected is what one step did.
type Collected struct {
	Deleted int  // segments and base files
	Folders int  // of the control log
	Idle    bool // there was nothing left to do
}

// NewCollector begins collecting for a reign, with a search for what older generations left.
func (a *Application) NewCollector() *Collector {
	c := &Collector{app: a}
	c.rescan()
	return c
}

func (c *Collector) rescan() {
	c.scan = []string{c.app.key(segmentsFolder) + "/", c.app.key(basesFolder) + "/"}
	c.after = ""
	c.scanned = c.app.opt.Clock()
}

// Committed tells of a manifest that this reign has committed and applied to its state.
func (c *Collector) Committed(m *Manifest) { c.retired = append(c.retired, m.Retired...) }

// Newest returns what the reign's newest committed manifest says; the state must not change afterwards. It returns an error, or waits,
// while the outcome of an append is open, and an error when the reign is over.
type Newest func(ctx context.Context) (*State, error)

// Collect does one step on the goroutine of reign r: at most limit deletions, one list request of as many keys, and one folder of
// the log. S is what the newest committed manifest of r says. It returns ErrPending while the
// outcome of an append is open and ErrDeposed when the reign is over. After any error it can be
// called again.
func (c *Collector) Collect(ctx context.Context, r *Reign, s *State, limit int) (Collected, error) {
	switch {
	case r.Deposed():
		return Collected{}, ErrDeposed
	case r.Pending():
		return Collected{}, ErrPending
	case s.Number != r.Tail():
		return Collected{}, nil // this reign's first manifest is still to come
	}
	return c.Step(ctx, r.Lineage(), r.Age(), func(context.Context) (*State, error) { return s, nil }, limit)
}

// Step is Collect on another goroutine than the reign's, while that appends. L is the reign's lineage and age its age, now or
// before. Newest is asked before each deletion, so that none begins while an outcome is open; one that has begun may be under way when
// an append begins, and does no harm: what a committed manifest does not refer to, no later one of the lineage does.
func (c *Collector) Step(ctx context.Context, l Lineage, age time.Duration, newest Newest, limit int) (Collected, error) {
	var done Collected
	u := &usedNames{newest: newest}
	s, err := u.state(ctx)
	if err != nil || s.Lineage != l {
		return done, err // without an error: this reign's first manifest is still to come
	}
	if err := c.deleteRetired(ctx, u, limit, &done); err != nil {
		return done, err
	}
	if done.Deleted == 0 {
		if err := c.deleteOlder(ctx, l.Generation, u, limit, &done); err != nil {
			return done, err
		}
	}
	if s, err = u.state(ctx); err != nil {
		return done, err
	}
	if err := c.cutLog(ctx, age, s, &done); err != nil {
		return done, err
	}
	done.Idle = len(c.retired) == 0 && len(c.scan) == 0 && done == Collected{}
	return done, nil
}

// usedNames knows which names the newest manifest refers to.
type usedNames struct {
	newest Newest
	of     *State              // whose names they are
	names  map[string]struct{} // nil until somebody asks
}

func (u *usedNames) state(ctx context.Context) (*State, error) {
	s, err := u.newest(ctx)
	if err != nil {
		return nil, err
	}
	if s != u.of {
		u.of, u.names = s, nil
	}
	return s, nil
}

// has reports whether the newest manifest refers to a name.
func (u *usedNames) has(ctx context.Context, name string) (bool, error) {
	s, err := u.state(ctx)
	if err != nil {
		return false, err
	}
	if u.names == nil {
		u.names = s.names()
	}
	_, ok := u.names[name]
	return ok, nil
}

func (c *Collector) deleteRetired(ctx context.Context, used *usedNames, limit int, done *Collected) error {
	for len(c.retired) > 0 && done.Deleted < limit {
		name := c.retired[0]
		needed, err := used.has(ctx, name)
		if err != nil {
			return err
		}
		if !needed {
			if err := c.app.bucket.Delete(ctx, c.app.key(name)); err != nil {
				return fmt.Errorf("delete retired %s: %w", name, err)
			}
			done.Deleted++
		}
		c.retired = c.retired[1:]
	}
	return nil
}

// deleteOlder looks at one page of a list and deletes what older generations left there. The list may
// be stale: it says only what may be looked at, never what is referred to.
func (c *Collector) deleteOlder(ctx context.Context, own core.Generation, used *usedNames, limit int, done *Collected) error {
	if len(c.scan) == 0 {
		if c.app.opt.Clock()-c.scanned < rescanAfter {
			return nil
		}
		c.rescan()
	}
	keys, err := c.app.bucket.List(ctx, c.scan[0], c.after, limit)
	if err != nil {
		return fmt.Errorf("list %s: %w", c.scan[0], err)
	}
	end := len(keys) < limit
	for _, key := range keys {
		name := strings.TrimPrefix(key, c.app.Name+"/")
		g, ok := parseObjectName(name)
		if ok && g >= own {
			end = true // names are in order of generations
			break
		}
		if !ok {
			c.after = key
			continue
		}
		needed, err := used.has(ctx, name)
		if err != nil {
			return err
		}
		if !needed {
			if err := c.app.bucket.Delete(ctx, key); err != nil {
				return fmt.Errorf("delete %s of generation %d: %w", name, g, err)
			}
			done.Deleted++
		}
		c.after = key
	}
	if end {
		c.scan, c.after = c.scan[1:], ""
	}
	return nil
}

// cutLog cuts off the log's oldest folder if nobody can need it: all of it lies below the last full
// manifest and is at least 24 hours old.
func (c *Collector) cutLog(ctx context.Context, age time.Duration, s *State, done *Collected) error {
	last := Number((c.folder+1)*FolderNumbers - 1)
	if c.keepWhole || last >= s.FullNumber {
		return nil
	}
	if c.folderAge == nil {
		if err := c.oldestFolder(ctx, s); err != nil || c.folderAge == nil {
			return err
		}
	}
	if age-*c.folderAge < keepLog {
		return nil
	}
	err := c.app.bucket.DeleteFolder(ctx, folderKey(c.app.Name, c.folder))
	if errors.Is(err, errors.ErrUnsupported) {
		c.keepWhole = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("cut folder %d off the control log: %w", c.folder, err)
	}
	c.folder++
	c.folderAge = nil
	done.Folders++
	return nil
}

// oldestFolder finds the first folder that was not cut off yet and reads the age of its last entry.
func (c *Collector) oldestFolder(ctx context.Context, s *State) error {
	l := c.app.Log()
	folder, err := l.oldestFolder(ctx, c.folder)
	if err != nil {
		return err
	}
	c.folder = folder
	last := Number((folder+1)*FolderNumbers - 1)
	if last >= s.FullNumber {
		return nil
	}
	e, err := l.Read(ctx, last)
	if err != nil {
		return err
	}
	c.folderAge = &e.Age
	return nil
}
