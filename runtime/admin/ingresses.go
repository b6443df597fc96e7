package admin

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stateway/stateway/runtime/node"
)

// Ingresses is what GET /api/v1/ingresses answers.
type Ingresses struct {
	Ingresses []Ingress `json:"ingresses"`
}

// Ingress is how one ingress is doing.
type Ingress struct {
	ID         string      `json:"id"`
	Problem    string      `json:"problem,omitempty"` // why its partitions cannot be listed
	Partitions []Partition `json:"partitions"`
}

// Partition is how one partition of an ingress is doing.
type Partition struct {
	ID       string `json:"id"`
	Stream   string `json:"stream,omitempty"`
	Shard    string `json:"shard,omitempty"`
	State    string `json:"state"`              // reading, failing, held, waiting or ended
	Reason   string `json:"reason,omitempty"`   // why it is failing, held or waiting
	Position string `json:"position,omitempty"` // of the last checkpoint, in the driver's words
	// BehindMillis is how far the partition was behind its newest record when it was last read; absent if that is not known.
	BehindMillis *int64 `json:"behindMillis,omitempty"`
	// Counts since this process began to read; absent if the driver counts nothing. Bytes are those of the records.
	Counts *PartitionCounts `json:"counts,omitempty"`
}

// PartitionCounts are what was read of a partition, and how often its service refused for too much.
type PartitionCounts struct {
	Records   uint64 `json:"records"`
	Bytes     uint64 `json:"bytes"`
	Throttles uint64 `json:"throttles"`
}

func (a *api) ingresses(*http.Request) (any, error) {
	found, err := a.Node.Ingresses()
	if err != nil {
		return nil, err
	}
	list := Ingresses{Ingresses: make([]Ingress, 0, len(found))}
	for _, s := range found {
		in := Ingress{ID: s.ID, Problem: s.Problem, Partitions: make([]Partition, 0, len(s.Partitions))}
		for i := range s.Partitions {
			in.Partitions = append(in.Partitions, partitionOf(&s.Partitions[i]))
		}
		list.Ingresses = append(list.Ingresses, in)
	}
	return list, nil
}

func partitionOf(s *node.PartitionStatus) Partition {
	p := Partition{
		ID: s.Partition, Stream: s.Stream, Shard: s.Shard, State: string(s.State), Reason: s.Reason, Position: s.Position,
	}
	if s.Lag >= 0 {
		millis := s.Lag.Milliseconds()
		p.BehindMillis = &millis
	}
	if s.Reported {
		p.Counts = &PartitionCounts{Records: s.Records, Bytes: s.Bytes, Throttles: s.Throttles}
	}
	return p
}

// lagLines tell in a line for each ingress how it is doing, if there is more to say than that it is read: what is behind, and
// what is not read and why.
func lagLines(all []node.IngressStatus) string {
	var b strings.Builder
	for i := range all {
		if text := lagOf(&all[i]); text != "" {
			fmt.Fprintf(&b, "ingress %s: %s\n", all[i].ID, text)
		}
	}
	return b.String()
}

func lagOf(s *node.IngressStatus) string {
	var parts []string
	if s.Problem != "" {
		parts = append(parts, "cannot list its partitions: "+s.Problem)
	}
	counts, reasons := map[string]int{}, map[string]string{}
	behind := time.Duration(-1)
	for i := range s.Partitions {
		p := &s.Partitions[i]
		state := string(p.State)
		counts[state]++
		if reasons[state] == "" && p.Reason != "" {
			reasons[state] = p.Partition + ": " + p.Reason
		}
		if state != "ended" {
			behind = max(behind, p.Lag)
		}
	}
	if behind >= 0 {
		parts = append(parts, fmt.Sprintf("%d of %d partitions read, up to %s behind",
			counts["reading"], len(s.Partitions)-counts["ended"], behind.Round(time.Millisecond)))
	}
	for _, state := range []string{"held", "failing"} {
		if counts[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%s)", counts[state], state, reasons[state]))
		}
	}
	return strings.Join(parts, "; ")
}
