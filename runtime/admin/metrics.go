package admin

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/stateway/stateway/runtime/egress/discard"
)

// NewRegistry gathers what Go and the operating system tell of the process, and the given collectors.
func NewRegistry(more ...prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	r.MustRegister(more...)
	return r
}

var (
	descLatency = prometheus.NewDesc("stateway_egress_latency_seconds",
		"Time from a timestamp value to its arrival at a discard egress.", []string{"egress"}, nil)
	descDiscarded = prometheus.NewDesc("stateway_discarded_records_total",
		"Records that a discard egress dropped.", []string{"egress"}, nil)
	descDiscardedBytes = prometheus.NewDesc("stateway_discarded_bytes_total",
		"Bytes of the values that a discard egress dropped.", []string{"egress"}, nil)
)

// latencyBounds are the upper bounds of the histogram's buckets: ten a decade from 10 µs to 100 s. They are fixed, so that two
// scrapes can be subtracted.
var latencyBounds = func() (bounds []time.Duration) {
	for decade := 10 * time.Microsecond; decade < 100*time.Second; decade *= 10 {
		for _, tenths := range []time.Duration{10, 12, 15, 20, 25, 30, 40, 50, 60, 80} {
			bounds = append(bounds, decade*tenths/10)
		}
	}
	return append(bounds, 100*time.Second)
}()

// Discards collects the counters of the discard egresses of a process. The zero value is ready.
type Discards struct {
	mu   sync.Mutex
	open map[string]*discard.Egress // by the egress's id; guarded by mu
}

// Add tells of an egress that was opened. Another of the same id takes its place.
func (d *Discards) Add(id string, e *discard.Egress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		d.open = map[string]*discard.Egress{}
	}
	d.open[id] = e
}

// Describe implements prometheus.Collector.
func (d *Discards) Describe(out chan<- *prometheus.Desc) {
	out <- descLatency
	out <- descDiscarded
	out <- descDiscardedBytes
}

// Collect implements prometheus.Collector.
func (d *Discards) Collect(out chan<- prometheus.Metric) {
	d.mu.Lock()
	open := maps.Clone(d.open)
	d.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(open)) {
		s := open[id].Snapshot()
		out <- prometheus.MustNewConstMetric(descDiscarded, prometheus.CounterValue, float64(s.Records), id)
		out <- prometheus.MustNewConstMetric(descDiscardedBytes, prometheus.CounterValue, float64(s.Bytes), id)
		out <- prometheus.MustNewConstHistogram(descLatency, s.Ages.Count, s.Ages.Sum.Seconds(), latencyBuckets(s.Ages), id)
	}
}

// latencyBuckets counts the ages up to each bound. An age falls into the bucket of the first bound that its own class does not pass.
func latencyBuckets(ages discard.Ages) map[float64]uint64 {
	counts := make([]uint64, len(latencyBounds)+1)
	ages.Each(func(upTo time.Duration, count uint64) {
		i, _ := slices.BinarySearch(latencyBounds, upTo)
		counts[i] += count
	})
	buckets := make(map[float64]uint64, len(latencyBounds))
	sum := uint64(0)
	for i, bound := range latencyBounds {
		sum += counts[i]
		buckets[bound.Seconds()] = sum
	}
	return buckets
}
