package sim

import (
	"errors"
	"io"
	"iter"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// read answers a read of the core: the store is read some time later, and the answer arrives later still.
func (g *generation) read(w *worker, e core.Effect) {
	g.later(g.s.spread(150), func() {
		ev, err := g.stores[shardOf(g.s, e)].Answer(e)
		if err != nil {
			g.s.fail("read of a shard: %v", err)
		}
		switch ev := ev.(type) {
		case core.TimersRead:
			g.s.countIf(ev.More, TimersPaged)
		case core.OutboxRead:
			g.s.countIf(ev.More, OutboxPaged)
		}
		g.later(g.s.spread(150), func() { w.put(ev) })
	})
}

func shardOf(s *Sim, e core.Effect) core.ShardID {
	switch e := e.(type) {
	case core.LoadAddress:
		return e.Shard
	case core.LoadMailbox:
		return e.Shard
	case core.FindDedupe:
		return e.Shard
	case core.FindTokens:
		return e.Shard
	case core.ReadTimers:
		return e.Shard
	case core.ReadOutbox:
		return e.Shard
	case core.ReadBacklog:
		return e.Shard
	case core.ReadFailures:
		return e.Shard
	case core.LoadFailures:
		return e.Shard
	case core.ReadExpiring:
		return e.Shard
	}
	s.fail("the core asked for %T, which no driver performs", e)
	return 0
}

// apply writes a committed overlay to its shard's store, some time later, together with what came meanwhile.
func (g *generation) apply(o *core.Overlay) {
	waiting := g.applying[o.Shard]
	g.applying[o.Shard] = append(waiting, o)
	if len(waiting) > 0 {
		return
	}
	mean := int64(500)
	if g.s.chance(0.1) {
		mean = 200_000
	}
	g.later(g.s.spread(mean), func() { g.applyAll(o.Shard) })
}

func (g *generation) applyAll(id core.ShardID) {
	overlays := g.applying[id]
	delete(g.applying, id)
	st := g.stores[id]
	last := overlays[len(overlays)-1]
	n := last.Epoch.Checkpoint()
	if n > g.stored {
		g.s.fail("checkpoint %d goes to the store of shard %d before its segment is in the bucket", n, id)
	}
	var rows []iter.Seq[core.Row]
	for _, o := range overlays {
		s := g.sections[o]
		if s == nil {
			g.s.fail("overlay of shard %d, epoch %d is to be applied without having been encoded", id, o.Epoch)
		}
		rows = append(rows, s.Rows())
	}
	if err := st.Commit(n, last.NextSeq, rows...); err != nil {
		g.storeFailed(err)
		return
	}
	for _, o := range overlays {
		o.Release()
		g.sections[o].Release()
		delete(g.sections, o)
	}
	if g.s.chance(0.2) {
		if err := st.Flush(); err != nil {
			g.storeFailed(err)
			return
		}
	}
	w := g.own(g.plan.owners[id])
	g.later(g.s.spread(100), func() { w.put(core.Applied{Shard: id, Checkpoint: n}) })
	if g.s.chance(0.03) {
		g.refreshBase(st)
	}
}

// refreshBase uploads a base of a shard and has the next manifest name it.
func (g *generation) refreshBase(st *shard.Store) {
	b, err := st.Base()
	if err != nil {
		g.storeFailed(err)
		return
	}
	fs := vfs.NewMem()
	if err := copyBase(b, fs); err != nil {
		g.s.fail("base of shard %d: %v", st.Shard(), err)
	}
	src := checkpoint.BaseSource{FS: fs, Dir: "base", Shard: b.Shard, Checkpoint: b.Checkpoint, NextSeq: b.NextSeq}
	g.later(g.s.bucketDelay(), func() {
		up, err := g.p.app.UploadBase(ctx, g.id, src, nil)
		if err != nil {
			g.p.expect(err)
			return
		}
		g.toLeader(func(c *coordinator) { c.bases = append(c.bases, up) })
	})
}

// storeFailed ends the process: a store whose disk failed answers nothing any more.
func (g *generation) storeFailed(err error) {
	if !errors.Is(err, errDisk) || (!errors.Is(err, shard.ErrStore) && !errors.Is(err, shard.ErrBase)) {
		g.s.fail("store: %v", err)
	}
	g.s.count(StoreFailed)
	g.p.crash("store failed")
}

func copyBase(b *shard.Base, fs vfs.FS) error {
	if err := fs.MkdirAll("base", 0o755); err != nil {
		return err
	}
	for _, f := range b.Files {
		from, err := b.Open(f.Name)
		if err != nil {
			return err
		}
		to, err := fs.Create(fs.PathJoin("base", f.Name), vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		if _, err := io.Copy(to, from); err != nil {
			return err
		}
		if err := errors.Join(to.Close(), from.Close()); err != nil {
			return err
		}
	}
	return b.Close()
}

// fetchBase fills a store with a base.
func (g *generation) fetchBase(st *shard.Store, b *checkpoint.Base) error {
	if len(b.Files) == 0 {
		return nil
	}
	fs := vfs.NewMem()
	if err := g.p.app.RestoreBase(ctx, b, fs, "base"); err != nil {
		return err
	}
	r, err := st.Restore()
	if err != nil {
		return err
	}
	for _, f := range b.Files {
		if err := copyFile(r, fs, f.File); err != nil {
			return err
		}
	}
	return r.Finish(b.Checkpoint)
}

func copyFile(r *shard.Restore, fs vfs.FS, name string) error {
	from, err := fs.Open(fs.PathJoin("base", name))
	if err != nil {
		return err
	}
	to, err := r.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close(), from.Close())
}
