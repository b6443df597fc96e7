package sim

import (
	"slices"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

// part gathers the parts of a node's workers, and uploads their segment.
func (g *generation) part(p core.Part) {
	parts := append(g.parts[p.Checkpoint], p)
	g.parts[p.Checkpoint] = parts
	if len(parts) < len(g.workers) {
		return
	}
	delete(g.parts, p.Checkpoint)
	commit := checkpoint.Commit{Checkpoint: p.Checkpoint, Positions: map[string][]byte{}}
	var overlays []*core.Overlay
	for _, p := range parts {
		commit.Time = max(commit.Time, p.Time)
		for name, at := range p.Positions {
			commit.Positions[name] = at
		}
		overlays = append(overlays, p.Overlays...)
	}
	if len(overlays) == 0 {
		g.tell(commit)
		return
	}
	slices.SortFunc(overlays, func(a, b *core.Overlay) int { return int(a.Shard) - int(b.Shard) })
	g.later(g.s.spread(300), func() { g.encode(commit, overlays) })
}

func (g *generation) encode(commit checkpoint.Commit, overlays []*core.Overlay) {
	for _, o := range overlays {
		s, err := checkpoint.EncodeSection(o.Rows(), o.NextSeq)
		if err != nil {
			g.s.fail("encode shard %d of checkpoint %d: %v", o.Shard, o.Epoch, err)
		}
		g.sections[o] = s
	}
	g.later(g.s.bucketDelay(), func() { g.upload(commit, overlays) })
}

// upload stores the segment under a fresh name, however often that takes.
func (g *generation) upload(commit checkpoint.Commit, overlays []*core.Overlay) {
	seg, err := g.tryUpload(commit.Checkpoint, overlays)
	if err != nil {
		g.p.expect(err)
		g.later(g.s.backoff(), func() { g.upload(commit, overlays) })
		return
	}
	if g.s.faulty(g.s.profile.crashAfterUpload) {
		g.s.count(CrashAfterUpload)
		g.p.crash("after an upload")
		return
	}
	commit.Segments = []*checkpoint.Segment{seg}
	g.later(g.s.spread(1_000), func() { g.tell(commit) })
}

func (g *generation) tryUpload(n core.CheckpointID, overlays []*core.Overlay) (*checkpoint.Segment, error) {
	w, err := g.p.app.NewSegment(g.id, n, g.node)
	if err != nil {
		return nil, err
	}
	for _, o := range overlays {
		if err := w.Add(o.Shard, g.sections[o]); err != nil {
			return nil, err
		}
	}
	return w.Upload(ctx)
}

func (g *generation) tell(commit checkpoint.Commit) {
	g.stored = commit.Checkpoint
	ev := core.SegmentStored{
		Checkpoint: commit.Checkpoint,
		Segment:    core.Segment{Node: g.node, Ref: commit},
	}
	g.toLeader(func(c *coordinator) { c.put(ev) })
}
