package core

import (
	"fmt"
	"strings"
	"testing"
)

func TestCoordinatorScripts(t *testing.T) {
	runScripts(t, "testdata/coordinator", func(*testing.T) func(command) string {
		s := &coordinatorScript{}
		return s.run
	})
}

// coordinatorScript runs the commands of a coordinator's script.
type coordinatorScript struct{ c *Coordinator }

func (s *coordinatorScript) run(c command) string {
	if c.name == "coordinator" {
		cfg := CoordinatorConfig{
			Restored: CheckpointID(c.number("restored", 0)), Now: Millis(c.number("now", 1000)),
			Every: Millis(c.number("every", 0)), Floor: Millis(c.number("floor", 0)),
		}
		for i := range c.number("nodes", 1) {
			cfg.Nodes = append(cfg.Nodes, NodeID(i))
		}
		s.c = NewCoordinator(cfg)
		return ""
	}
	var out strings.Builder
	for _, e := range s.c.Step(coordinatorEvent(c), nil) {
		out.WriteString(describeCoordinator(e) + "\n")
	}
	return out.String()
}

func coordinatorEvent(c command) CoordinatorEvent {
	switch c.name {
	case "tick":
		return Tick{Millis(number(c.word(0)))}
	case "wanted":
		why := map[string]Wanting{"dirty": WantDirty, "soon": WantSoon}[c.word(0)]
		return Wanted{Why: why, Epoch: Epoch(c.number("epoch", 1))}
	case "segment":
		node := NodeID(c.number("node", 0))
		return SegmentStored{Checkpoint: CheckpointID(number(c.word(0))), Segment: Segment{Node: node, Ref: fmt.Sprint("s", node)}}
	case "appended":
		return Appended{CheckpointID(number(c.word(0)))}
	case "deposed":
		return Deposed{Reason: "another leads"}
	case "halt":
		return Halt{}
	}
	panic("script: no such command: " + c.name)
}

func describeCoordinator(e CoordinatorEffect) string {
	switch e := e.(type) {
	case BeginCheckpoint:
		return fmt.Sprintf("begin %d", e.Checkpoint)
	case AppendManifest:
		return fmt.Sprintf("append %d %v", e.Checkpoint, e.Segments)
	case AnnounceCommit:
		return fmt.Sprintf("committed %d", e.Checkpoint)
	case CoordinatorDone:
		return "done"
	case StepDown:
		return "step-down: " + e.Reason
	case Alarm:
		return fmt.Sprintf("alarm %d", e.At)
	}
	return fmt.Sprintf("%T %+v", e, e)
}
