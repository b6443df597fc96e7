package harness

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMetrics(t *testing.T) {
	got, err := ParseMetrics([]byte(`# HELP a b
# TYPE a counter
a_total{endpoint="http://x/{f}",function="ns/a \"b\""} 3
a_total{endpoint="y"} 4 1700000000
plain 1.5e3

h_bucket{le="0.1"} 2
h_bucket{le="+Inf"} 4
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Metrics{
		"a_total": {
			{Labels: map[string]string{"endpoint": "http://x/{f}", "function": `ns/a "b"`}, Value: 3},
			{Labels: map[string]string{"endpoint": "y"}, Value: 4},
		},
		"plain":    {{Labels: map[string]string{}, Value: 1500}},
		"h_bucket": {{Labels: map[string]string{"le": "0.1"}, Value: 2}, {Labels: map[string]string{"le": "+Inf"}, Value: 4}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if sum := got.Sum("a_total"); sum != 7 {
		t.Errorf("sum %v, want 7", sum)
	}
	if sum := got.Sum("a_total", "endpoint", "y"); sum != 4 {
		t.Errorf("sum of one label %v, want 4", sum)
	}
}

func TestParseMetricsRefusesRubbish(t *testing.T) {
	for _, text := range []string{"a", "a{", "a{b", `a{b="c`, `a{b="c"}`, "a b"} {
		if got, err := ParseMetrics([]byte(text)); err == nil {
			t.Errorf("%q gave %v and no error", text, got)
		}
	}
}

func TestQuantile(t *testing.T) {
	inf := math.Inf(1)
	before := map[float64]float64{1: 10, 2: 10, inf: 10}
	after := map[float64]float64{1: 20, 2: 110, inf: 110}
	for _, c := range []struct{ q, want float64 }{{0.05, 0.5}, {0.1, 1}, {0.55, 1.5}, {1, 2}} {
		if got := Quantile(before, after, c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("quantile %v is %v, want %v", c.q, got, c.want)
		}
	}
	if got := Quantile(after, after, 0.5); !math.IsNaN(got) {
		t.Errorf("quantile of nothing is %v, want NaN", got)
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add([]byte("a{b=\"c\"} 1\n"))
	f.Add([]byte("a{b=\"c\\n\",} +Inf 5\n"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = ParseMetrics(text)
	})
}
