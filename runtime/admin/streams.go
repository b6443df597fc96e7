package admin

import (
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stateway/stateway/runtime/egress/kinesis"
)

// streamCounts are the metrics of a stream that only grow.
var streamCounts = []struct {
	desc *prometheus.Desc
	of   func(*kinesis.Stats) uint64
}{
	{descStream("records_total", "Records written to a stream."), func(s *kinesis.Stats) uint64 { return s.Records }},
	{descStream("bytes_total", "Their bytes with partition keys."), func(s *kinesis.Stats) uint64 { return s.Bytes }},
	{descStream("calls_total", "Calls that wrote to a stream."), func(s *kinesis.Stats) uint64 { return s.Calls }},
	{descStream("failures_total", "Of those, how many failed as a whole."), func(s *kinesis.Stats) uint64 { return s.Failures }},
	{descStream("retries_total", "Records that were sent again."), func(s *kinesis.Stats) uint64 { return s.Retries }},
	{descStream("throttles_total", "Of those, for how many the stream was too busy."), func(s *kinesis.Stats) uint64 { return s.Throttles }},
	{descStream("refused_total", "Records that a stream will never take."), func(s *kinesis.Stats) uint64 { return s.Refused }},
}

var (
	descStreamWaiting = descStream("waiting", "Records without an answer.")
	descStreamBroken  = descStream("broken", "1 while nothing can be written to a stream.")
)

func descStream(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("stateway_egress_stream_"+name, help, []string{"egress", "stream"}, nil)
}

// StreamWriter is an egress that counts by stream.
type StreamWriter interface{ Stats() []kinesis.Stats }

// Streams collects the counters of the Kinesis egresses of a process. The zero value is ready.
type Streams struct {
	mu   sync.Mutex
	open map[string]StreamWriter // by the egress's id; guarded by mu
}

// Add tells of an egress that was opened. Another of the same id takes its place.
func (s *Streams) Add(id string, w StreamWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]StreamWriter{}
	}
	s.open[id] = w
}

// Describe implements prometheus.Collector.
func (s *Streams) Describe(out chan<- *prometheus.Desc) {
	for _, c := range streamCounts {
		out <- c.desc
	}
	out <- descStreamWaiting
	out <- descStreamBroken
}

// Collect implements prometheus.Collector.
func (s *Streams) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	open := maps.Clone(s.open)
	s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(open)) {
		all := open[id].Stats()
		for i := range all {
			collectStream(out, id, &all[i])
		}
	}
}

func collectStream(out chan<- prometheus.Metric, id string, s *kinesis.Stats) {
	for _, c := range streamCounts {
		out <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.of(s)), id, s.Stream)
	}
	broken := 0.0
	if s.Broken != nil {
		broken = 1
	}
	out <- prometheus.MustNewConstMetric(descStreamWaiting, prometheus.GaugeValue, float64(s.Waiting), id, s.Stream)
	out <- prometheus.MustNewConstMetric(descStreamBroken, prometheus.GaugeValue, broken, id, s.Stream)
}
