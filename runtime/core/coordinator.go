package core

import "fmt"

// Coordinator paces the checkpoints of one generation: it begins one when somebody wants it, gathers the nodes' segments, and has
// the manifest appended. Step is its only entrance.
type Coordinator struct {
	cfg      CoordinatorConfig
	now      Millis
	next     CheckpointID // to begin
	phase    coordinatorPhase
	began    Millis
	want     Wanting
	latency  float64 // milliseconds from begin to commit, smoothed
	measured bool    // a first checkpoint has committed
	segments map[NodeID]Segment
	halting  bool
	alarm    Millis
	out      []CoordinatorEffect
}

type coordinatorPhase uint8

const (
	idle coordinatorPhase = iota
	gathering
	appending
	stopped
)

// CoordinatorConfig is what a coordinator is made of.
type CoordinatorConfig struct {
	Nodes    []NodeID
	Restored CheckpointID // the restore point
	Now      Millis

	// Every is the pause between the beginnings of two checkpoints when something moved. Zero means one second.
	Every Millis
	// Floor is the shortest such pause when somebody waits. Zero means 5 ms. The measured time of a
	// checkpoint raises it, so that at most half of the time is spent on them.
	Floor Millis
}

// Segment is what a node says of its stored segment; the driver knows what Ref is.
type Segment struct {
	Node NodeID
	Ref  any
}

// CoordinatorEvent is something that a coordinator is told.
type CoordinatorEvent any

// CoordinatorEffect is something that the driver does for a coordinator.
type CoordinatorEffect any

// Events of a coordinator; Tick and Halt are events too.
type (
	// Wanted passes on a worker's Want.
	Wanted struct {
		Why   Wanting
		Epoch Epoch
	}
	// SegmentStored tells that a node's segment of a checkpoint is in the bucket.
	SegmentStored struct {
		Checkpoint CheckpointID
		Segment    Segment
	}
	// Appended tells that the manifest is in the control log. An append whose outcome is unknown has no event until it was read back.
	Appended struct{ Checkpoint CheckpointID }
	// Deposed tells that another process holds the next number of the log.
	Deposed struct{ Reason string }
)

// Effects of a coordinator; Alarm is one too.
type (
	// BeginCheckpoint tells all workers to cut.
	BeginCheckpoint struct{ Checkpoint CheckpointID }
	// AppendManifest appends the manifest that names the segments, in the order of the nodes.
	AppendManifest struct {
		Checkpoint CheckpointID
		Segments   []Segment
	}
	// AnnounceCommit tells all workers that a checkpoint has committed.
	AnnounceCommit struct{ Checkpoint CheckpointID }
	// CoordinatorDone answers Halt: the halting checkpoint has committed, or nothing had moved.
	CoordinatorDone struct{}
	// StepDown tells that this process must not commit any more.
	StepDown struct{ Reason string }
)

// NewCoordinator makes the coordinator of a generation at its restore point.
func NewCoordinator(cfg CoordinatorConfig) *Coordinator {
	if cfg.Every == 0 {
		cfg.Every = 1000
	}
	if cfg.Floor == 0 {
		cfg.Floor = 5
	}
	return &Coordinator{
		cfg: cfg, now: cfg.Now, began: cfg.Now,
		next: cfg.Restored + 1, segments: map[NodeID]Segment{},
	}
}

// Step applies ev and appends to out what the driver must do, in order. It never blocks.
func (c *Coordinator) Step(ev CoordinatorEvent, out []CoordinatorEffect) []CoordinatorEffect {
	c.out = out
	switch ev := ev.(type) {
	case Tick:
		c.now = max(c.now, ev.Now)
		if c.alarm <= c.now {
			c.alarm = 0
		}
	case Wanted:
		if ev.Epoch.Checkpoint() == c.next && c.phase != stopped {
			c.want = max(c.want, ev.Why)
		}
	case SegmentStored:
		c.onSegment(ev)
	case Appended:
		c.onAppended(ev)
	case Deposed:
		c.phase = stopped
		c.emit(StepDown(ev))
	case Halt:
		c.halting = true
	default:
		panic(fmt.Sprintf("core: a coordinator was given %T, which is no event", ev))
	}
	c.advance()
	out, c.out = c.out, nil
	return out
}

func (c *Coordinator) emit(e CoordinatorEffect) { c.out = append(c.out, e) }

// advance begins the next checkpoint when it is due.
func (c *Coordinator) advance() {
	if c.phase != idle {
		return
	}
	if c.want == WantNothing {
		if c.halting {
			c.phase = stopped
			c.emit(CoordinatorDone{})
		}
		return
	}
	if at := c.began + c.pause(); at > c.now && !c.halting {
		if at != c.alarm {
			c.alarm = at
			c.emit(Alarm{At: at})
		}
		return
	}
	c.phase, c.began, c.want = gathering, c.now, WantNothing
	n := c.next
	c.next++
	c.emit(BeginCheckpoint{Checkpoint: n})
}

// pause is the least time between the beginnings of two checkpoints.
func (c *Coordinator) pause() Millis {
	if c.want < WantSoon {
		return c.cfg.Every
	}
	return min(max(c.cfg.Floor, Millis(2*c.latency)), max(c.cfg.Every, c.cfg.Floor))
}

func (c *Coordinator) onSegment(ev SegmentStored) {
	if c.phase != gathering || ev.Checkpoint != c.next-1 {
		return
	}
	c.segments[ev.Segment.Node] = ev.Segment
	if len(c.segments) < len(c.cfg.Nodes) && planted != commitBeforeSegment {
		return
	}
	c.phase = appending
	m := AppendManifest{Checkpoint: ev.Checkpoint}
	for _, n := range c.cfg.Nodes {
		if s, ok := c.segments[n]; ok {
			m.Segments = append(m.Segments, s)
		}
	}
	clear(c.segments)
	c.emit(m)
}

func (c *Coordinator) onAppended(ev Appended) {
	if c.phase != appending || ev.Checkpoint != c.next-1 {
		return
	}
	c.phase = idle
	c.measure(float64(c.now - c.began))
	c.emit(AnnounceCommit(ev))
}

// measure takes the time of a checkpoint: down at once, up slowly. The first of a generation waits for shards that are
// restored, and tells nothing.
func (c *Coordinator) measure(took float64) {
	switch {
	case !c.measured:
		c.measured = true
	case c.latency == 0 || took < c.latency:
		c.latency = took
	default:
		c.latency += (took - c.latency) / 8
	}
}
