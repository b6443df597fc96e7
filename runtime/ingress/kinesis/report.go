package kinesis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// reports is what is told of all partitions.
type reports struct {
	mu   sync.Mutex
	each map[string]*ingress.PartitionReport // guarded by mu, by partition
}

func newReports() *reports { return &reports{each: map[string]*ingress.PartitionReport{}} }

// stats is the part of one partition, for its reader.
type stats struct {
	all *reports
	id  string
}

func (r *reports) ofLocked(id string) *ingress.PartitionReport {
	p := r.each[id]
	if p == nil {
		stream, shard, _ := strings.Cut(id, "/")
		p = &ingress.PartitionReport{Partition: id, Stream: stream, Shard: shard, State: ingress.PartitionReading, Lag: -1}
		r.each[id] = p
	}
	return p
}

// found notes which shards of a stream there are, and which wait.
func (r *reports) found(stream string, parts []ingress.Partition, waiting map[string][]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	listed := map[string]bool{}
	for _, p := range parts {
		id := partitionID(stream, p.ID)
		listed[id] = true
		report := r.ofLocked(id)
		switch {
		case p.Ended:
			report.State, report.Reason = ingress.PartitionEnded, ""
		case report.State == ingress.PartitionWaiting:
			report.State, report.Reason = ingress.PartitionReading, ""
		}
	}
	for shard, parents := range waiting {
		id := partitionID(stream, shard)
		listed[id] = true
		report := r.ofLocked(id)
		report.State = ingress.PartitionWaiting
		report.Reason = fmt.Sprintf("begins when the end of %s is committed", strings.Join(parents, " and "))
	}
	maps.DeleteFunc(r.each, func(id string, p *ingress.PartitionReport) bool { return p.Stream == stream && !listed[id] })
}

func (r *reports) throttled(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.each[id]; p != nil { // not of the stream as a whole
		p.Throttles++
	}
}

// set notes what becomes of the partition.
func (s stats) set(state ingress.PartitionState, reason string) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	p := s.all.ofLocked(s.id)
	p.State, p.Reason = state, reason
	if state == ingress.PartitionEnded {
		p.Lag = 0
	}
}

// behind notes how far behind the newest record the partition is.
func (s stats) behind(millis int64) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.all.ofLocked(s.id).Lag = time.Duration(millis) * time.Millisecond
}

// read notes what came.
func (s stats) read(records, bytes int) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	p := s.all.ofLocked(s.id)
	p.Records += uint64(records) //nolint:gosec // not negative
	p.Bytes += uint64(bytes)     //nolint:gosec // not negative
}

// Report implements ingress.Reporter.
func (g *Ingress) Report() []ingress.PartitionReport {
	g.reports.mu.Lock()
	defer g.reports.mu.Unlock()
	var out []ingress.PartitionReport
	for _, id := range slices.Sorted(maps.Keys(g.reports.each)) {
		out = append(out, *g.reports.each[id])
	}
	return out
}

// Words implements ingress.Reporter.
func (g *Ingress) Words(position []byte) string {
	p, err := lineage.ParsePosition(position)
	if err != nil {
		return "unreadable"
	}
	return p.String()
}
