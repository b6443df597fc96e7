package harness

import (
	"bytes"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// Sample is one line of a scrape.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Metrics are the samples of one scrape, by metric name.
type Metrics map[string][]Sample

// ParseMetrics reads the Prometheus text format.
func ParseMetrics(text []byte) (Metrics, error) {
	m := Metrics{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		l := strings.TrimSpace(string(line))
		if l == "" || l[0] == '#' {
			continue
		}
		name, sample, err := parseSample(l)
		if err != nil {
			return nil, fmt.Errorf("metrics, line %d: %w", number, err)
		}
		m[name] = append(m[name], sample)
	}
	return m, nil
}

func parseSample(line string) (string, Sample, error) {
	name, rest := line, ""
	if i := strings.IndexAny(line, "{ "); i >= 0 {
		name, rest = line[:i], line[i:]
	}
	s := Sample{Labels: map[string]string{}}
	if strings.HasPrefix(rest, "{") {
		var err error
		if rest, err = s.parseLabels(rest[1:]); err != nil {
			return "", s, err
		}
	}
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return "", s, fmt.Errorf("value of %s: %w", name, err)
	}
	s.Value = v
	return name, s, nil
}

// parseLabels reads what follows the brace and returns what follows the closing one.
func (s *Sample) parseLabels(rest string) (string, error) {
	for {
		rest = strings.TrimLeft(rest, ", ")
		if strings.HasPrefix(rest, "}") {
			return rest[1:], nil
		}
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return "", fmt.Errorf("label without value in %q", rest)
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return "", fmt.Errorf("label %s: %w", key, err)
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return "", fmt.Errorf("label %s: %w", key, err)
		}
		s.Labels[key] = value
		rest = after[len(quoted):]
	}
}

// has reports whether the sample carries all these labels, given as key, value, key, value.
func (s Sample) has(labels []string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		if s.Labels[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}

// Sum adds up the samples of a metric that carry the given labels (key, value, …). A metric that is not there counts zero.
func (m Metrics) Sum(name string, labels ...string) float64 {
	sum := 0.0
	for _, s := range m[name] {
		if s.has(labels) {
			sum += s.Value
		}
	}
	return sum
}

// Has reports whether the metric is there.
func (m Metrics) Has(name string) bool { return len(m[name]) > 0 }

// Buckets returns a histogram's cumulative counts by upper bound, summed over the samples that carry the given labels.
func (m Metrics) Buckets(name string, labels ...string) map[float64]float64 {
	buckets := map[float64]float64{}
	for _, s := range m[name+"_bucket"] {
		if !s.has(labels) {
			continue
		}
		if bound, err := strconv.ParseFloat(s.Labels["le"], 64); err == nil {
			buckets[bound] += s.Value
		}
	}
	return buckets
}

// Quantile returns the q-quantile (0 to 1) of what a histogram counted between two scrapes, interpolated within its bucket as
// Prometheus does; NaN if it counted nothing.
func Quantile(before, after map[float64]float64, q float64) float64 {
	bounds := make([]float64, 0, len(after))
	for bound := range after {
		bounds = append(bounds, bound)
	}
	sort.Float64s(bounds)
	if len(bounds) == 0 {
		return math.NaN()
	}
	last := bounds[len(bounds)-1]
	total := after[last] - before[last]
	if total <= 0 {
		return math.NaN()
	}
	rank, low, below := q*total, 0.0, 0.0
	for _, bound := range bounds {
		count := after[bound] - before[bound]
		if count < rank {
			low, below = bound, count
			continue
		}
		if math.IsInf(bound, 1) || count == below {
			return low
		}
		return low + (bound-low)*(rank-below)/(count-below)
	}
	return low
}
