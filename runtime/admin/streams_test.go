package admin

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/stateway/stateway/runtime/egress/kinesis"
)

type counted []kinesis.Stats

func (c counted) Stats() []kinesis.Stats { return c }

func TestStreamsAreMeasured(t *testing.T) {
	var s Streams
	s.Add("shop/out", counted{{Stream: "old"}})
	s.Add("shop/out", counted{
		{Stream: "orders", Records: 5, Bytes: 60, Calls: 2, Failures: 1, Retries: 4, Throttles: 3, Refused: 6, Waiting: 7, Broken: errors.New("gone")},
	})
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(&s)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()[len("stateway_egress_stream_"):]+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"records_total orders": 5, "bytes_total orders": 60, "calls_total orders": 2, "failures_total orders": 1, "retries_total orders": 4,
		"throttles_total orders": 3, "refused_total orders": 6, "waiting orders": 7, "broken orders": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
