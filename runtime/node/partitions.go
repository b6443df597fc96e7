package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/ingress"
)

// PartitionFailing is the state of a partition whose last reading ended with an error that is tried again soon. A driver does
// not report it.
const PartitionFailing ingress.PartitionState = "failing"

// settled is how long a partition must be read without an error to count as well again: an error that comes at once would
// otherwise be seen only by who looks during the pause that follows it.
const settled = 5 * time.Second

// IngressStatus is how an ingress is doing.
type IngressStatus struct {
	ID         string
	Problem    string            // why its partitions cannot be listed; empty if they can
	Partitions []PartitionStatus // by ID
}

// PartitionStatus is how one partition of an ingress is doing.
type PartitionStatus struct {
	// The report's counts and Lag mean something only if Reported.
	ingress.PartitionReport
	// Reported: the driver reports on its partitions; otherwise Lag is negative and the counts are zero.
	Reported bool
	// Position is that of the last checkpoint, in the driver's words, or in hexadecimal if it has none. Empty if none is committed.
	Position string
}

// Ingresses tells how all ingresses are doing, in the order of the node's parts.
func (n *Node) Ingresses() ([]IngressStatus, error) {
	g := n.generation()
	if g == nil || g.ingresses == nil {
		return nil, ErrNotLeading
	}
	return g.ingresses.status(), nil
}

func (d *ingressDriver) status() []IngressStatus {
	committed := d.gen.coordinator.committedState().Positions
	out := make([]IngressStatus, 0, len(d.sources))
	for _, s := range d.sources {
		out = append(out, s.status(known(s.id, committed)))
	}
	return out
}

// status puts together what is committed, what is read and what the driver reports.
func (s *source) status(committed []ingress.Partition) IngressStatus {
	all := map[string]*PartitionStatus{}
	at := func(id string) *PartitionStatus {
		if all[id] == nil {
			all[id] = &PartitionStatus{PartitionReport: ingress.PartitionReport{Partition: id, State: ingress.PartitionReading, Lag: -1}}
		}
		return all[id]
	}
	driver, reports := s.in.Ingress.(ingress.Reporter)
	if reports {
		for _, r := range driver.Report() {
			p := at(r.Partition)
			p.PartitionReport, p.Reported = r, true
		}
	}
	s.in.troubles(func(id string, trouble error) {
		p := at(id)
		if trouble == nil {
			return
		}
		p.State, p.Reason = PartitionFailing, trouble.Error()
		if waitsForOperator(trouble) {
			p.State = ingress.PartitionHeld
		}
	})
	for _, c := range committed {
		p := at(c.ID)
		if c.Ended {
			p.State, p.Reason = ingress.PartitionEnded, ""
		}
		if p.Position = fmt.Sprintf("0x%x", c.Position); reports {
			p.Position = driver.Words(c.Position)
		}
	}
	status := IngressStatus{ID: s.id, Problem: s.in.problem()}
	for _, p := range all {
		status.Partitions = append(status.Partitions, *p)
	}
	slices.SortFunc(status.Partitions, func(a, b PartitionStatus) int { return cmp.Compare(a.Partition, b.Partition) })
	return status
}

// waitsForOperator reports whether an error of Read will not pass by itself.
func waitsForOperator(err error) bool {
	return errors.Is(err, ingress.ErrHeld) || errors.Is(err, ingress.ErrTruncated)
}

// watched is an ingress whose troubles are remembered.
type watched struct {
	ingress.Ingress
	mu      sync.Mutex
	listing error                // of the last Partitions; guarded by mu
	parts   map[string]*readings // guarded by mu, by partition
}

// readings are the Reads of one partition.
type readings struct {
	began   time.Time // of the one under way; zero if there is none
	trouble error     // with which the last one ended; nil if none has
}

func watch(in ingress.Ingress) *watched {
	return &watched{Ingress: in, parts: map[string]*readings{}}
}

// Partitions implements ingress.Ingress.
func (w *watched) Partitions(ctx context.Context, known []ingress.Partition) ([]ingress.Partition, error) {
	parts, err := w.Ingress.Partitions(ctx, known)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listing = err
	return parts, err
}

// Read implements ingress.Ingress.
func (w *watched) Read(ctx context.Context, p ingress.Partition, sink ingress.Sink) error {
	w.mu.Lock()
	r := w.parts[p.ID]
	if r == nil {
		r = &readings{}
		w.parts[p.ID] = r
	}
	r.began = time.Now()
	w.mu.Unlock()
	err := w.Ingress.Read(ctx, p, sink)
	w.mu.Lock()
	defer w.mu.Unlock()
	r.began, r.trouble = time.Time{}, err
	if ctx.Err() != nil || errors.Is(err, ingress.ErrEnded) {
		delete(w.parts, p.ID) // what is committed tells of it from now on
	}
	return err
}

// problem is why partitions cannot be listed; empty if they can.
func (w *watched) problem() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listing == nil {
		return ""
	}
	return w.listing.Error()
}

// troubles tells of every partition that is read here, and its trouble if it has one now.
func (w *watched) troubles(each func(id string, trouble error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, r := range w.parts {
		trouble := r.trouble
		if !r.began.IsZero() && time.Since(r.began) > settled {
			trouble = nil
		}
		each(id, trouble)
	}
}

// problems are why ingresses cannot list their partitions, each after the ingress's name.
func (d *ingressDriver) problems() (out []string) {
	if d == nil {
		return nil
	}
	for _, s := range d.sources {
		if p := s.in.problem(); p != "" {
			out = append(out, s.id+": "+p)
		}
	}
	return out
}

// waitForPartitions is what Waiting says while ingresses look for their partitions.
func waitForPartitions(problems []string) string {
	what := "ingresses to list their partitions"
	if len(problems) > 0 {
		what += " (" + strings.Join(problems, "; ") + ")"
	}
	return what
}
